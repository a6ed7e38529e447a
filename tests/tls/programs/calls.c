/* HTTPS client that uses OpenSSL in one of its less usual ways: PORT CONNECTIONS REQUESTS WAY */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE 300000

/* Pages of a file that are taken in together, and a place in front of a border between two such parts. */
#define AROUND (64 << 10)
#define SHARED (AROUND - 100)

#define PAGE	4096
#define LATE_US 3000

static const char *way;
static char body[LARGE], buffer[65536], *shared, *late;
static char written[PAGE] __attribute__((aligned(PAGE)));
static SSL_SESSION *session;
static int server;
static jmp_buf back;

static int is(const char *name)
{
	return !strcmp(way, name);
}

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", way, what);
	exit(1);
}

/* The socket is ready for what the last call wanted. */
static int wait_for(SSL *tls, int n)
{
	int why = SSL_get_error(tls, n);
	struct pollfd one = {.fd = SSL_get_fd(tls), .events = why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN};

	return (why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ) && poll(&one, 1, 20000) == 1;
}

static void put(SSL *tls, const char *from, int size)
{
	size_t written;
	int n;

	while (size) {
		if (is("extended"))
			n = SSL_write_ex(tls, from, size, &written) ? (int)written : 0;
		else
			n = SSL_write(tls, from, is("bytes") ? 1 : size);
		if (n <= 0 && !wait_for(tls, n))
			fail("write");
		if (n <= 0)
			continue;
		from += n;
		size -= n;
	}
}

static long on_read(BIO *bio, int what, const char *bytes, size_t size, int a, long b, int n, size_t *done)
{
	(void)bio, (void)bytes, (void)size, (void)a, (void)b, (void)done;
	if (what == BIO_CB_READ)
		longjmp(back, 1);
	return n;
}

/* A call that is left and never returns. */
static void jump(SSL *tls)
{
	if (!setjmp(back)) {
		BIO_set_callback_ex(SSL_get_rbio(tls), on_read);
		SSL_read(tls, buffer, sizeof(buffer));
		fail("it was not left");
	}
	BIO_set_callback_ex(SSL_get_rbio(tls), NULL);
}

/* When all is sent nothing of it is in the page tables any more, as while the kernel moves a page. */
static long on_sent(BIO *bio, int what, const char *bytes, size_t size, int a, long b, int n, size_t *done)
{
	(void)bio, (void)bytes, (void)size, (void)a, (void)b, (void)done;
	if (what == (BIO_CB_WRITE | BIO_CB_RETURN) && madvise(shared, SHARED + LARGE, MADV_DONTNEED))
		fail("madvise");
	return n;
}

static void absent(SSL *tls, const char *head, int size)
{
	BIO_set_callback_ex(SSL_get_wbio(tls), on_sent);
	memcpy(shared, head, size);
	put(tls, shared, size);
	put(tls, shared + SHARED, LARGE);
	BIO_set_callback_ex(SSL_get_wbio(tls), NULL);
}

/* A page that comes late, whoever asks for it. */
static void *hand_in(void *pager)
{
	struct uffdio_copy copy = {.dst = (unsigned long)late, .src = (unsigned long)written, .len = PAGE};
	struct uffd_msg message;

	while (read(*(int *)pager, &message, sizeof(message)) == sizeof(message)) {
		usleep(LATE_US);
		if (ioctl(*(int *)pager, UFFDIO_COPY, &copy))
			fail("a page that comes late");
	}
	return 0;
}

static void prepare_late(void)
{
	static int pager;
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register where = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	pthread_t thread;

	late = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	where.range.start = (unsigned long)late;
	where.range.len = PAGE;
	pager = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (late == MAP_FAILED || pager < 0 || ioctl(pager, UFFDIO_API, &api) ||
	    ioctl(pager, UFFDIO_REGISTER, &where) || pthread_create(&thread, 0, hand_in, &pager))
		fail("userfaultfd");
}

static long on_late(BIO *bio, int what, const char *bytes, size_t size, int a, long b, int n, size_t *done)
{
	(void)bio, (void)bytes, (void)size, (void)a, (void)b, (void)done;
	if (what == (BIO_CB_WRITE | BIO_CB_RETURN) && madvise(late, PAGE, MADV_DONTNEED))
		fail("madvise");
	return n;
}

static void put_late(SSL *tls, const char *head, int size)
{
	if (madvise(late, PAGE, MADV_DONTNEED))
		fail("madvise");
	memcpy(written, head, size);
	BIO_set_callback_ex(SSL_get_wbio(tls), on_late);
	put(tls, late, size);
	BIO_set_callback_ex(SSL_get_wbio(tls), NULL);
}

static int get(SSL *tls, char *to, int size)
{
	size_t read;
	int n;

	if (is("peek") && SSL_peek(tls, to, size) <= 0)
		return 0;
	if (is("extended"))
		return SSL_read_ex(tls, to, size, &read) ? (int)read : 0;
	if (is("bytes"))
		return SSL_read(tls, to, 1);
	while ((n = SSL_read(tls, to, size)) <= 0 && wait_for(tls, n))
		;
	return n;
}

static void answer(SSL *tls, const char *end, int length)
{
	int got = 0, n;

	while (got < length || memcmp(buffer + got - length, end, length)) {
		if ((n = get(tls, buffer + got, sizeof(buffer) - got)) <= 0)
			fail("read");
		got += n;
	}
}

/* Within TLS the server sees the proxy's port. */
static const char *peer(int port)
{
	static char text[20];

	sprintf(text, "peer=%d", port);
	return is("within") ? "" : text;
}

static void request(SSL *tls, int port, int number, int k)
{
	char head[300], end[200];
	int with_body = is("large") || is("partial") || is("absent");
	int length = sprintf(end, "%s uri=/calls/%d/%d-%d end", peer(port), port, number, k), size;

	size = sprintf(head, "%s /calls/%d/%d-%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n",
		       with_body ? "POST" : "GET", port, number, k, with_body ? LARGE : 0);
	if (is("jump"))
		jump(tls);
	if (is("zero") && SSL_write(tls, head, 0) > 0)
		fail("something of nothing");
	if (is("update") && SSL_key_update(tls, SSL_KEY_UPDATE_REQUESTED) != 1)
		fail("key update");
	if (is("absent")) {
		absent(tls, head, size);
	} else if (is("late")) {
		put_late(tls, head, size);
	} else {
		put(tls, head, size);
		if (with_body)
			put(tls, body, LARGE);
	}
	answer(tls, end, length);
}

static int connected(int *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(server), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 8192;

	if (is("partial"))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	if (connect(fd, (void *)&address, size) || getsockname(fd, (void *)&address, &size))
		fail("connect");
	*port = ntohs(address.sin_port);
	return fd;
}

/* The same socket by another number. */
static int duplicate(int fd)
{
	int other = dup(fd);

	close(fd);
	return other;
}

/* The socket goes through another process, as servers hand connections over. */
static int passed(int fd)
{
	char space[CMSG_SPACE(sizeof(int))] = {}, one = 'x';
	struct iovec part = {.iov_base = &one, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
	struct cmsghdr *control = CMSG_FIRSTHDR(&message);
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		fail("socketpair");
	if (!fork()) {
		control->cmsg_level = SOL_SOCKET;
		control->cmsg_type = SCM_RIGHTS;
		control->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(control), &fd, sizeof(int));
		_exit(sendmsg(pair[1], &message, 0) != 1);
	}
	close(fd);
	if (recvmsg(pair[0], &message, 0) != 1)
		fail("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	close(pair[0]);
	close(pair[1]);
	wait(0);
	return fd;
}

static int on_session(SSL *tls, SSL_SESSION *news)
{
	(void)tls;
	SSL_SESSION_free(session);
	session = news;
	return 1;
}

/* TLS 1.3 with a request in front of the handshake's end. */
static void early(SSL *tls, int port, int number)
{
	char head[300], end[200];
	int length = sprintf(end, "%s uri=/calls/%d/%d-early end", peer(port), port, number);
	int size = sprintf(head, "GET /calls/%d/%d-early HTTP/1.1\r\nHost: localhost\r\n\r\n", port, number);
	size_t written;

	if (!session)
		return;
	SSL_set_session(tls, session);
	if (SSL_write_early_data(tls, head, size, &written) != 1)
		fail("early data");
	if (SSL_connect(tls) != 1 || SSL_get_early_data_status(tls) != SSL_EARLY_DATA_ACCEPTED)
		fail("early data was not accepted");
	answer(tls, end, length);
}

static SSL *over(SSL_CTX *context, int fd)
{
	SSL *tls = SSL_new(context);

	SSL_set_fd(tls, fd);
	return tls;
}

/* TLS within TLS, as through a proxy: the outer one ends at the server, which hands on what is in it. */
static SSL *within(SSL_CTX *context, SSL *outer)
{
	BIO *carrier = BIO_new(BIO_f_ssl());
	SSL *tls = SSL_new(context);

	if (SSL_connect(outer) != 1)
		fail("outer handshake");
	BIO_set_ssl(carrier, outer, BIO_CLOSE);
	SSL_set_bio(tls, carrier, carrier);
	return tls;
}

static void connection(SSL_CTX *context, int number, int requests)
{
	int port, fd = connected(&port), flags;
	SSL *tls;

	if (is("duplicate"))
		fd = duplicate(fd);
	if (is("passed"))
		fd = passed(fd);
	tls = over(context, fd);
	if (is("within"))
		tls = within(context, tls);
	if (is("early"))
		early(tls, port, number);
	if (SSL_connect(tls) != 1)
		fail("handshake");
	if (is("partial")) {
		flags = fcntl(fd, F_GETFL);
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		SSL_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	}
	if (!is("fork") || !fork()) {
		for (int k = 0; k < requests; k++)
			request(tls, port, number, k);
		if (is("fork"))
			_exit(0);
	} else if (wait(&flags) < 0 || flags) {
		fail("child");
	}
	SSL_shutdown(tls);
	SSL_free(tls);
	if (!is("within"))
		close(fd);
}

int main(int count, char **values)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (count != 5)
		return 1;
	server = atoi(values[1]);
	way = values[4];
	memset(body, 'x', LARGE);
	shared = mmap(0, SHARED + LARGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap");
	memcpy(shared + SHARED, body, LARGE);
	if (is("late"))
		prepare_late();
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(context, on_session);
	for (int i = 0; i < atoi(values[2]); i++)
		connection(context, i, atoi(values[3]));
	puts("done");
	return 0;
}
