/* HTTPS client on libcurl with NSS: PORT CONNECTIONS REQUESTS. Declares what it calls: its headers conflict
 * with other libcurls'. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *curl_easy_init(void);
int curl_easy_setopt(void *, int, ...), curl_easy_perform(void *);
void curl_easy_cleanup(void *);

enum {
	URL = 10002,
	WRITEDATA = 10001,
	WRITEFUNCTION = 20011,
	VERIFYPEER = 64,
	VERIFYHOST = 81,
	HTTP_VERSION = 84
};

static size_t keep(char *data, size_t size, size_t count, void *to)
{
	strncat(to, data, size * count);
	return size * count;
}

int main(int count, char **values)
{
	char url[200], end[200], body[4096];

	for (int i = 0; count == 4 && i < atoi(values[2]); i++) {
		void *curl = curl_easy_init();

		curl_easy_setopt(curl, VERIFYPEER, 0L);
		curl_easy_setopt(curl, VERIFYHOST, 0L);
		curl_easy_setopt(curl, HTTP_VERSION, 2L); /* 1.1 */
		curl_easy_setopt(curl, WRITEFUNCTION, keep);
		curl_easy_setopt(curl, WRITEDATA, body);
		for (int k = 0; k < atoi(values[3]); k++) {
			sprintf(url, "https://127.0.0.1:%s/nss/%d-%d", values[1], i, k);
			sprintf(end, " uri=/nss/%d-%d end", i, k);
			curl_easy_setopt(curl, URL, url);
			body[0] = 0;
			if (curl_easy_perform(curl) || !strstr(body, end))
				return 1;
		}
		curl_easy_cleanup(curl);
	}
	puts("done");
	return 0;
}
