//! HTTPS client on tokio-rustls, all connections at once on four threads: PORT CONNECTIONS REQUESTS

#[path = "../../sync/src/trust.rs"]
mod trust;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

async fn one(connector: TlsConnector, port: u16, number: usize, requests: usize) {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let local_port = socket.local_addr().unwrap().port();
    let mut stream = connector
        .connect("localhost".try_into().unwrap(), socket)
        .await
        .unwrap();
    let mut buffer = vec![0u8; 65536];
    for k in 0..requests {
        let path = format!("/tokio/{number}-{k}");
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
            .await
            .unwrap();
        stream.flush().await.unwrap();
        let end = format!("peer={local_port} uri={path} end");
        let mut got = 0;
        while !buffer[..got].ends_with(end.as_bytes()) {
            let read = stream.read(&mut buffer[got..got + 40]).await.unwrap();
            assert!(read > 0, "{path}: the connection was closed");
            got += read;
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::main(worker_threads = 4)]
async fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let (port, connections, requests) = (arguments[0] as u16, arguments[1], arguments[2]);
    let connector = TlsConnector::from(trust::config());
    let tasks: Vec<_> = (0..connections)
        .map(|number| tokio::spawn(one(connector.clone(), port, number, requests)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("done");
}
