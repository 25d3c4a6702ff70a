//! Proxies of the environment and of the command line, and addresses that are given.
//!
//! The testkit's server takes requests as a proxy gets them, and so stands in for one.

use crate::common::{Ended, RUNTIMES, World, dead_end};

/// A name that no resolver knows (RFC 6761, section 6.4), so that only a proxy can reach it.
const ENDPOINT: &str = "http://s3.invalid:9000";

/// A run against a server that only a proxy knows.
fn run(world: &World, words: &[&str], env: &[(&str, &str)]) -> Ended {
    let mut command = world.command(["ls", "s3://bucket", "--max-attempts", "1"]);
    command.args(words);
    command.env("AWS_ENDPOINT_URL_S3", ENDPOINT);
    command.envs(env.iter().copied());
    Ended::of(command.output().unwrap())
}

fn world() -> World {
    let world = World::new();
    world.put("key", b"content");
    world
}

#[test]
fn the_proxy_of_the_environment_is_used_on_each_runtime() {
    for runtime in RUNTIMES {
        let world = world();
        let url = world.server.endpoint_url();
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy"] {
            let listing = run(&world, &["--runtime", runtime], &[(name, &url)]).ok();
            assert!(listing.out().ends_with("key\n"), "{runtime} {name}");
        }
        let by_option = run(&world, &["--runtime", runtime, "--proxy", &url], &[]).ok();
        assert!(by_option.out().ends_with("key\n"), "{runtime}");
        assert_eq!(world.server.stats().total(), 4);
    }
}

#[test]
fn without_a_proxy_the_server_itself_is_asked() {
    let world = world();
    let url = world.server.endpoint_url();
    let port = url.rsplit_once(':').unwrap().1;
    let direct = format!("http://s3.invalid:{port}");
    let dead = dead_end();
    let words = [
        "--endpoint-url",
        &direct,
        "--resolve",
        "S3.invalid:127.0.0.1",
    ];
    let ended = run(&world, &words, &[("http_proxy", &dead)]);
    ended.failed(
        5,
        &[&direct, &format!("through the proxy {dead}"), "--no-proxy"],
    );
    assert_eq!(world.server.stats().total(), 0);
    for runtime in RUNTIMES {
        let words = [&words[..], &["--runtime", runtime]].concat();
        let told = [&words[..], &["--no-proxy"]].concat();
        run(&world, &told, &[("http_proxy", &dead)]).ok();
        let listed = [
            ("http_proxy", dead.as_str()),
            ("no_proxy", "other, .invalid"),
        ];
        run(&world, &words, &listed).ok();
    }
    // This machine's own servers go without, unless the command line says otherwise.
    let here = ["--endpoint-url", &url];
    run(&world, &here, &[("http_proxy", &dead)]).ok();
    run(&world, &[&here[..], &["--proxy", &dead]].concat(), &[]).failed(5, &[&dead]);
}

#[test]
fn a_wrong_proxy_is_named_by_its_variable_or_option() {
    let world = world();
    for (variable, value, wanted) in [
        (
            "http_proxy",
            "http://user:canary@p:x",
            "a port of 1 to 65535",
        ),
        (
            "HTTPS_PROXY",
            "https://user:canary@p",
            "by https is not supported",
        ),
        (
            "all_proxy",
            "socks5://user:canary@p",
            "by socks5 is not supported",
        ),
        ("no_proxy", "10.0.0.0/64", "10.0.0.0/64"),
    ] {
        let ended = run(&world, &[], &[(variable, value)]);
        let ended = ended.failed(3, &[&format!("{variable}: "), wanted, "--no-proxy"]);
        assert!(ended.stdout.is_empty());
    }
    for url in ["socks5://user:canary@p", "http://user:canary@p:x", ""] {
        run(&world, &["--proxy", url], &[]).failed(2, &["--proxy: "]);
    }
    run(&world, &["--proxy", "p:1", "--no-proxy"], &[]).failed(2, &["--proxy", "--no-proxy"]);
    run(&world, &["--resolve", "s3.invalid:name"], &[]).failed(2, &["--resolve", "192.0.2.1"]);
    assert_eq!(world.server.stats().total(), 0);
}
