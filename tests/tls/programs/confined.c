/* TLS with itself by memory BIOs, under a seccomp filter that kills on every call but write, brk, futex and
 * exit_group: CERTIFICATE */
#include <openssl/ssl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(number)                                                                                        \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void confine(void)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_write),
		ALLOW(SYS_brk),
		ALLOW(SYS_futex),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof(rules) / sizeof(*rules), rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		exit(2);
}

int main(int count, char **values)
{
	SSL_CTX *serving = SSL_CTX_new(TLS_server_method()), *asking = SSL_CTX_new(TLS_client_method());
	BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
	SSL *server, *client;
	char buffer[64];
	int messages = 0;

	if (count != 2 || SSL_CTX_use_certificate_file(serving, values[1], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(serving, values[1], SSL_FILETYPE_PEM) != 1)
		return 3;
	server = SSL_new(serving);
	client = SSL_new(asking);
	BIO_up_ref(to_server);
	BIO_up_ref(to_client);
	SSL_set_bio(server, to_server, to_client);
	SSL_set_bio(client, to_client, to_server);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	while ((SSL_do_handshake(client) != 1) | (SSL_do_handshake(server) != 1))
		;
	SSL_write(client, "first", 5); /* what is allocated once is allocated now */
	SSL_read(server, buffer, sizeof(buffer));
	printf("%s", "");
	fflush(stdout);
	confine();
	for (int i = 0; i < 1000; i++)
		messages +=
			SSL_write(client, "message", 7) == 7 && SSL_read(server, buffer, sizeof(buffer)) == 7;
	sprintf(buffer, "%d messages\n", messages);
	if (write(1, buffer, strlen(buffer)) < 0)
		return 4;
	_exit(0);
}
