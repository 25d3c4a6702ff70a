//! Serves one large synthetic object until its standard input ends:
//! `cargo run --release --example serve -- [GiB] < fifo`, then GET `/bucket/large`.

use std::io::Read as _;

use sans3_testkit::server::{Config, Server};

fn main() -> std::io::Result<()> {
    let gib: u64 = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let server = Server::start(Config {
        ready_memory: 2 << 30,
        ..Config::fast()
    })?;
    server.with_model(|model| model.put_synthetic("bucket", "large", gib << 30));
    println!("{}/bucket/large", server.endpoint_url());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    println!("{:#?}", server.stats());
    Ok(())
}
