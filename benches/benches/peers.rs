//! Instructions of the core beside those of others, where they do the same.

use std::hint::black_box;
use std::time::Duration;

use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use sans3_benches::{WALL, endpoint, get, page, peers, signer};
use sans3_core::operation::Operation as _;
use sans3_core::sign::PayloadHash;

#[library_benchmark]
#[bench::headers((signer(), endpoint()))]
fn sans3_sign(
    (signer, endpoint): (sans3_core::sign::Signer, sans3_core::endpoint::Endpoint),
) -> http::Request<()> {
    black_box(signer.sign(&get(&endpoint), &PayloadHash::Unsigned, WALL)).expect("a request")
}

#[library_benchmark]
#[bench::headers(peers::aws_identity())]
fn aws_sigv4(identity: aws_smithy_runtime_api::client::identity::Identity) -> http::Request<()> {
    black_box(peers::aws_sigv4(&identity))
}

#[library_benchmark]
#[bench::headers(peers::reqsign_signer())]
fn reqsign(
    signer: (
        reqsign_aws_v4::RequestSigner,
        reqsign_core::Context,
        reqsign_aws_v4::Credential,
    ),
) -> http::request::Parts {
    black_box(peers::reqsign(&signer))
}

#[library_benchmark]
#[bench::url((signer(), endpoint()))]
fn sans3_presign(
    (signer, endpoint): (sans3_core::sign::Signer, sans3_core::endpoint::Endpoint),
) -> String {
    let hour = Duration::from_secs(3600);
    black_box(signer.presign(&get(&endpoint), hour, WALL)).expect("a URL")
}

#[library_benchmark]
#[bench::url(peers::rusty_bucket())]
fn rusty_s3_presign(bucket: (rusty_s3::Bucket, rusty_s3::Credentials)) -> url::Url {
    black_box(peers::rusty_presign(&bucket))
}

#[library_benchmark]
#[bench::a_page_of_1000_keys(page())]
fn sans3_list(
    (list, head, body): (
        sans3_core::operation::ListObjectsV2,
        http::response::Parts,
        String,
    ),
) -> usize {
    black_box(list.parse(&head, body.as_bytes()))
        .expect("a page")
        .objects
        .len()
}

#[library_benchmark]
#[bench::a_page_of_1000_keys(page().2)]
fn rusty_s3_list(body: String) -> usize {
    black_box(peers::rusty_list(&body))
}

library_benchmark_group!(name = sign, benchmarks = [sans3_sign, aws_sigv4, reqsign]);
library_benchmark_group!(
    name = presign,
    benchmarks = [sans3_presign, rusty_s3_presign]
);
library_benchmark_group!(name = list, benchmarks = [sans3_list, rusty_s3_list]);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = [sign, presign, list]
);
