//! HTTPS client on rustls, a thread for each of twenty connections at a time: PORT CONNECTIONS REQUESTS

mod trust;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

const THREADS: usize = 20;

fn one(config: &Arc<ClientConfig>, port: u16, number: usize, requests: usize) {
    let session = ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let local_port = socket.local_addr().unwrap().port();
    let mut stream = StreamOwned::new(session, socket);
    let mut buffer = vec![0u8; 65536];
    for k in 0..requests {
        let path = format!("/rust/{number}-{k}");
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
            .unwrap();
        let end = format!("peer={local_port} uri={path} end");
        let mut got = 0;
        while !buffer[..got].ends_with(end.as_bytes()) {
            let read = stream.read(&mut buffer[got..]).unwrap();
            assert!(read > 0, "{path}: the connection was closed");
            got += read;
        }
    }
}

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let (port, connections, requests) = (arguments[0] as u16, arguments[1], arguments[2]);
    let config = trust::config();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let config = config.clone();
            std::thread::spawn(move || {
                (thread..connections)
                    .step_by(THREADS)
                    .for_each(|number| one(&config, port, number, requests));
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    println!("done");
}
