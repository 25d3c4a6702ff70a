//! Ways to the server: several addresses, and proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{
    Act, HELLO, Lines, New, OTHER_ADDRESS, On, Same, Script, Silence, answers, download,
    downloaded, ended, line, request, send,
};
use crate::conformance::Rule;
use crate::conformance::certificates::{Identity, ORIGIN};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(OTHER_ADDRESS);
const THIRD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
/// `user:p@ss` in base64.
const BASIC: &str = "proxy-authorization: Basic dXNlcjpwQHNz";

pub(super) fn scripts() -> Vec<Script> {
    let mut scripts = vec![
        found(
            "the next address is tried at once where one refuses",
            &[OTHER, HERE],
        ),
        found(
            "an address of the other family makes way as well",
            &[Ipv6Addr::LOCALHOST.into(), HERE],
        ),
        found_by_name(),
        absolute(),
        absolute_refused(407),
        absolute_refused(502),
        tunnel(),
        tunnel_refused("407 Proxy Authentication Required", "407"),
        tunnel_refused("502 Bad Gateway", "502"),
        tunnel_distrusted(),
        tunnel_silent(),
    ];
    if cfg!(target_os = "linux") {
        let name = "the next address is tried where one is silent";
        let mut script = found(name, &[OTHER, HERE]);
        script.silent = Some(Silence::OtherAddress);
        scripts.push(script);
        // Elsewhere this address may be silent rather than refuse.
        scripts.push(all_dead());
    }
    scripts
}

/// Connects by a name that has these addresses.
fn named(name: &str, addresses: &[IpAddr]) -> Script {
    let mut script = Script::new(Rule::Addresses, name).within(Duration::from_secs(4));
    script.needs.resolve = true;
    script.endpoint = format!("http://{ORIGIN}:{{port}}");
    script.resolve = vec![(ORIGIN.into(), addresses.to_vec())];
    script.work(download(5))
}

fn found(name: &str, addresses: &[IpAddr]) -> Script {
    let asked = get_from(&format!("{ORIGIN}:{{port}}"), "/bucket/key", New, None);
    named(name, addresses)
        .connection(answers(HELLO))
        .log(1, [asked, downloaded(HELLO)])
}

/// The plain GET, to another host.
fn get_from(host: &str, target: &str, on: On, more: Option<&str>) -> Lines {
    let host = format!("host: {host}");
    let fields = [Some("x-amz-checksum-mode: ENABLED"), Some(&host), more];
    let fields: Vec<&str> = fields.into_iter().flatten().collect();
    request(&format!("GET {target}"), on, &fields)
}

fn all_dead() -> Script {
    named(
        "where no address answers, the error names them all",
        &[OTHER, THIRD],
    )
    .says("127.0.0.2")
    .says("127.0.0.3")
    .log(
        0,
        [
            line("  failed: Connect; given up"),
            ended("Connect (after 1)"),
        ],
    )
}

fn found_by_name() -> Script {
    let asked = get_from(&format!("{ORIGIN}:{{port}}"), "/bucket/key", New, None);
    named(
        "a certificate is compared with the name, not with the address",
        &[HERE],
    )
    .tls()
    .connection([&[Act::Tls(Identity::Good)][..], &answers(HELLO)].concat())
    .log(1, [asked, downloaded(HELLO)])
}

fn proxied(name: impl Into<String>, scheme: &str) -> Script {
    let mut script = Script::new(Rule::Proxy, name);
    script.needs.proxies = true;
    script.endpoint = format!("http://{ORIGIN}");
    script.proxy = Some("http://user:p%40ss@127.0.0.1:{port}".into());
    match scheme {
        "https" => script.tls(),
        _ => script,
    }
}

fn absolute() -> Script {
    let target = format!("http://{ORIGIN}/bucket/key");
    let asked = |on| get_from(ORIGIN, &target, on, Some(BASIC));
    proxied(
        "http goes through a proxy in absolute form, and the connection is kept",
        "http",
    )
    .work(download(5))
    .work(download(5))
    .connection([answers(HELLO), answers(HELLO)].concat())
    .log(
        1,
        [
            asked(New),
            asked(Same),
            downloaded(HELLO),
            downloaded(HELLO),
        ],
    )
}

fn absolute_refused(status: u16) -> Script {
    let target = format!("http://{ORIGIN}/bucket/key");
    let again = if status == 502 { " (after 1)" } else { "" };
    proxied(
        format!("a proxy's {status} to a plain request is an answer"),
        "http",
    )
    .work(download(5))
    .connection([
        Act::Head,
        send(format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n")),
    ])
    .log(
        1,
        [
            get_from(ORIGIN, &target, New, Some(BASIC)).failed(&format!("{status}; given up")),
            ended(&format!("{status}{again}")),
        ],
    )
}

/// The request for a tunnel: the proxy's credentials, and nothing of the origin's.
fn connect() -> Lines {
    Lines(vec![
        format!("CONNECT {ORIGIN}:443 HTTP/1.1 on a new connection"),
        format!("    host: {ORIGIN}:443"),
        format!("    {BASIC}"),
    ])
}

fn tunnel() -> Script {
    let asked = || get_from(ORIGIN, "/bucket/key", Same, None);
    // A length means nothing here (RFC 9110, section 9.3.6).
    let yes = send("HTTP/1.1 200 Connection Established\r\ncontent-length: 7\r\n\r\n");
    proxied(
        "https goes through a tunnel, where the proxy's credentials are not shown",
        "https",
    )
    .work(download(5))
    .work(download(5))
    .connection(
        [
            &[Act::Head, yes, Act::Tls(Identity::Good)][..],
            &answers(HELLO),
            &answers(HELLO),
        ]
        .concat(),
    )
    .log(
        1,
        [
            connect(),
            asked(),
            asked(),
            downloaded(HELLO),
            downloaded(HELLO),
        ],
    )
}

fn tunnel_refused(status: &str, word: &'static str) -> Script {
    proxied(
        format!("a proxy's {word} to CONNECT is Connect, and is named"),
        "https",
    )
    .work(download(5))
    .connection([
        Act::Head,
        send(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nno")),
        Act::Drain,
    ])
    .says(word)
    .log(
        1,
        [
            connect(),
            line("  failed: Connect; given up"),
            ended("Connect (after 1)"),
        ],
    )
}

fn tunnel_distrusted() -> Script {
    let yes = send("HTTP/1.1 200 OK\r\n\r\n");
    proxied(
        "a certificate at the end of a tunnel is checked like any other",
        "https",
    )
    .work(download(5))
    .connection([Act::Head, yes, Act::Tls(Identity::Misnamed)])
    .says("certificate")
    .log(
        1,
        [connect(), line("  failed: Tls; given up"), ended("Tls")],
    )
}

fn tunnel_silent() -> Script {
    proxied(
        "a proxy that never answers CONNECT is a ConnectTimeout",
        "https",
    )
    .tune(|config| config.timeouts.connect = Duration::from_millis(300))
    .within(Duration::from_secs(4))
    .work(download(5))
    .connection([Act::Head, Act::Drain])
    .log(
        1,
        [
            connect(),
            line("  failed: ConnectTimeout; given up"),
            ended("ConnectTimeout (after 1)"),
        ],
    )
}
