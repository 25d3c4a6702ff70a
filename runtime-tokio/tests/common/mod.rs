//! What the tests share: the scene, and a client for its server.

pub(crate) use sans3_testkit::fixture::*;
use sans3_testkit::server::Server;
use sans3_tokio::{Client, ClientConfig};

pub(crate) fn client(server: &Server) -> Client {
    Client::new(ClientConfig::new(session(&server.endpoint_url()))).unwrap()
}
