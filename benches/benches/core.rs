//! Instructions of the core.

use std::hint::black_box;

use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use sans3_benches::playing::{self, CHUNK, Object};
use sans3_benches::{WALL, config, endpoint, get, page, signer};
use sans3_core::attempt::Receiving;
use sans3_core::endpoint::Endpoint;
use sans3_core::operation::{ListObjectsV2, Operation as _};
use sans3_core::part::{Limits, PartPlan};
use sans3_core::session::Session;
use sans3_core::sign::{PayloadHash, Signer};
use sans3_testkit::simulate::{Choices, Scope, Summary, run};

/// 1 GiB: 128 ranges, and a HEAD.
const GIB: Object = Object { size: 1 << 30 };

/// The largest object that S3 takes, in 10,000 parts.
const LARGEST: u64 = 53_687_091_200_000;

#[library_benchmark]
#[bench::a_range(signer(), endpoint())]
fn sign(signer: Signer, endpoint: Endpoint) -> http::Request<()> {
    let request = get(&endpoint);
    black_box(signer.sign(&request, &PayloadHash::Unsigned, WALL)).expect("a request")
}

#[library_benchmark]
#[bench::fifty_tb(LARGEST)]
fn plan(len: u64) -> PartPlan {
    black_box(PartPlan::new(black_box(len), None, &Limits::default())).expect("a plan")
}

fn receiving() -> (Receiving, Vec<u8>) {
    (playing::first_range(GIB).0, vec![0; CHUNK])
}

// The length, and a CRC of the bytes.
#[library_benchmark]
#[bench::a_chunk_of_256_kib(receiving())]
fn admit((mut receiving, chunk): (Receiving, Vec<u8>)) -> (Receiving, Vec<u8>) {
    let placement = receiving.admit(black_box(&chunk), std::time::Duration::ZERO);
    drop(placement.expect("wanted bytes"));
    (receiving, chunk)
}

#[library_benchmark]
#[bench::a_page_of_1000_keys(page())]
fn list((list, head, body): (ListObjectsV2, http::response::Parts, String)) -> usize {
    let page = list.parse(&head, black_box(body.as_bytes()));
    black_box(page).expect("a page").objects.len()
}

fn session(signed: bool) -> (Session, Vec<u8>) {
    (Session::new(config(signed), 1), vec![0; CHUNK])
}

// All that the core does for 129 exchanges: planning, signing, judging answers, checksums.
#[library_benchmark]
#[bench::a_gib_signed(session(true))]
#[bench::a_gib_anonymous(session(false))]
fn download((session, chunk): (Session, Vec<u8>)) -> u32 {
    black_box(playing::download(session, GIB, &chunk))
}

// One run of the simulator, the server's part included.
#[library_benchmark]
#[bench::seed_17(17)]
fn simulated_transfer(seed: u64) -> Summary {
    black_box(run(Scope::Anonymous, &mut Choices::seeded(seed))).expect("kept promises")
}

library_benchmark_group!(
    name = core,
    benchmarks = [sign, plan, admit, list, download, simulated_transfer]
);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = core
);
