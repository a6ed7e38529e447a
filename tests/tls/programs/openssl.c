/* HTTPS client on OpenSSL: PORT CONNECTIONS REQUESTS. Declares what it calls, so that it links to any version
 * without its headers. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *TLS_client_method(void), *SSL_CTX_new(void *), *SSL_new(void *);
int SSL_set_fd(void *, int), SSL_connect(void *), SSL_read(void *, void *, int),
	SSL_write(void *, const void *, int);
int SSL_shutdown(void *);
void SSL_free(void *);

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void request(void *tls, int port, int number, int k)
{
	char buffer[4096], end[200];
	int size = sprintf(buffer, "GET /openssl/%d-%d HTTP/1.1\r\nHost: localhost\r\n\r\n", number, k),
	    got = 0, n;
	int length = sprintf(end, "peer=%d uri=/openssl/%d-%d end", port, number, k);

	if (SSL_write(tls, buffer, size) != size)
		fail("write");
	while (got < length || memcmp(buffer + got - length, end, length)) {
		if ((n = SSL_read(tls, buffer + got, sizeof(buffer) - got)) <= 0)
			fail("read");
		got += n;
	}
}

int main(int count, char **values)
{
	void *context = SSL_CTX_new(TLS_client_method());

	if (count != 4)
		fail("PORT CONNECTIONS REQUESTS");
	for (int i = 0; i < atoi(values[2]); i++) {
		struct sockaddr_in address = {.sin_family = AF_INET,
					      .sin_port = htons(atoi(values[1])),
					      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t size = sizeof(address);
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		void *tls = SSL_new(context);

		if (connect(fd, (void *)&address, size) || getsockname(fd, (void *)&address, &size))
			fail("connect");
		SSL_set_fd(tls, fd);
		if (SSL_connect(tls) != 1)
			fail("handshake");
		for (int k = 0; k < atoi(values[3]); k++)
			request(tls, ntohs(address.sin_port), i, k);
		SSL_shutdown(tls);
		SSL_free(tls);
		close(fd);
	}
	puts("done");
	return 0;
}
