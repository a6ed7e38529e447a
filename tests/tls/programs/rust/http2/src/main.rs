//! HTTP/2 client on rustls, all requests of a connection at once: PORT CONNECTIONS REQUESTS

#[path = "../../sync/src/trust.rs"]
mod trust;

use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

async fn one(connector: TlsConnector, port: u16, number: usize, requests: usize) {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let local_port = socket.local_addr().unwrap().port();
    let stream = connector.connect("localhost".try_into().unwrap(), socket).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap() });
    let mut answers = Vec::new();
    for k in 0..requests {
        let path = format!("/http2/{number}-{k}");
        client = client.ready().await.unwrap();
        let request = http::Request::get(format!("https://localhost:{port}{path}")).body(()).unwrap();
        answers.push((path, client.send_request(request, true).unwrap().0));
    }
    for (path, answer) in answers {
        let mut body = answer.await.unwrap().into_body();
        let mut text = Vec::new();
        while let Some(part) = body.data().await {
            let part = part.unwrap();
            body.flow_control().release_capacity(part.len()).unwrap();
            text.extend_from_slice(&part);
        }
        assert_eq!(text, format!("peer={local_port} uri={path} end").as_bytes());
    }
}

#[tokio::main(worker_threads = 4)]
async fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let (port, connections, requests) = (arguments[0] as u16, arguments[1], arguments[2]);
    let mut config = Arc::unwrap_or_clone(trust::config());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let tasks: Vec<_> = (0..connections)
        .map(|number| tokio::spawn(one(connector.clone(), port, number, requests)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("done");
}
