//! HTTP/2 on rustls. A client, all requests of a connection at once: PORT CONNECTIONS REQUESTS. A server: PORT CERTIFICATE

#[path = "../../sync/src/trust.rs"]
mod trust;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

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

async fn answer(acceptor: TlsAcceptor, socket: TcpStream, port: u16) {
    let Ok(stream) = acceptor.accept(socket).await else { return };
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let body = format!("peer={port} uri={} end", request.uri().path());
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        stream.send_data(body.into(), true).unwrap();
    }
}

async fn serve(port: u16, certificate: &str) {
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(certificate).unwrap();
    let mut config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let (socket, peer) = listener.accept().await.unwrap();
        tokio::spawn(answer(acceptor.clone(), socket, peer.port()));
    }
}

#[tokio::main(worker_threads = 4)]
async fn main() {
    let given: Vec<String> = std::env::args().collect();
    if given.len() == 3 {
        return serve(given[1].parse().unwrap(), &given[2]).await;
    }
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
