//! HTTP/2 (RFC 9113) as it is commonly spoken: frames, HPACK, streams and gRPC's messages of connections that are followed from
//! their beginning, or that Python has handed over. `docs/lane.md` says what is left to Python.

pub mod exchange;
pub mod follower;
pub mod frames;
pub mod handover;
mod head;
mod hpack;
mod huffman;
mod messages;
mod reader;
mod static_table;
mod stream;
