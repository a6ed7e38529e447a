"""HTTPS clients in Python: KIND PORT CONNECTIONS REQUESTS. Each request has a path of its own, and the response is checked."""

import asyncio
import http.client
import ssl
import sys
import threading

kind, port = sys.argv[1], int(sys.argv[2])
connections, requests_each = int(sys.argv[3]), int(sys.argv[4])
THREADS = 20

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def check(body: bytes, local_port: int, path: str) -> None:
    """The server says whom it answered, and what."""
    if body != b"peer=%d uri=%s end" % (local_port, path.encode()):
        sys.exit(f"{path} from port {local_port}: {body!r}")


def with_http_client(number: int) -> None:
    """The library behind urllib."""
    client = http.client.HTTPSConnection("127.0.0.1", port, context=context)
    client.connect()
    local_port = client.sock.getsockname()[1]
    for request in range(requests_each):
        path = f"/{kind}/{number}-{request}"
        client.request("GET", path)
        check(client.getresponse().read(), local_port, path)
    client.close()


def with_requests(number: int) -> None:
    """urllib3 and its pool."""
    import requests  # noqa: PLC0415  only where it is asked for
    import urllib3  # noqa: PLC0415

    urllib3.disable_warnings()
    session = requests.Session()
    session.verify, session.trust_env = False, False
    for request in range(requests_each):
        path = f"/{kind}/{number}-{request}"
        body = session.get(f"https://127.0.0.1:{port}{path}").content
        if f" uri={path} end".encode() not in body:
            sys.exit(f"{path}: {body!r}")
    session.close()


def with_curl_cffi(number: int) -> None:
    """libcurl on BoringSSL."""
    from curl_cffi import CurlHttpVersion, requests  # noqa: PLC0415

    session = requests.Session(verify=False, http_version=CurlHttpVersion.V1_1)
    for request in range(requests_each):
        path = f"/{kind}/{number}-{request}"
        body = session.get(f"https://127.0.0.1:{port}{path}").content
        if f" uri={path} end".encode() not in body:
            sys.exit(f"{path}: {body!r}")
    session.close()


async def with_streams(number: int, places: asyncio.Semaphore) -> None:
    """Memory BIOs, one thread."""
    async with places:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        local_port = writer.get_extra_info("sockname")[1]
        for request in range(requests_each):
            path = f"/{kind}/{number}-{request}"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            [length] = [int(line.split(b":")[1]) for line in head if line.startswith(b"content-length:")]
            check(await reader.readexactly(length), local_port, path)
        writer.close()


async def all_streams() -> None:
    """Twenty connections at once."""
    places = asyncio.Semaphore(THREADS)
    await asyncio.gather(*(with_streams(number, places) for number in range(connections)))


def all_threads() -> None:
    """Twenty threads share the connections."""
    one = {"http_client": with_http_client, "requests": with_requests, "curl_cffi": with_curl_cffi}[kind]
    numbers, lock, failed = iter(range(connections)), threading.Lock(), []

    def work() -> None:
        while not failed:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                one(number)
            except BaseException as error:  # noqa: BLE001  the others must end too
                failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(str(failed[0]))


if kind == "uvloop":
    import uvloop

    uvloop.run(all_streams())
elif kind == "asyncio":
    asyncio.run(all_streams())
else:
    all_threads()
print("done", flush=True)
