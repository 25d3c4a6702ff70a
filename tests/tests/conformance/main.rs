//! The conformance kit itself: an adapter that keeps a rule passes, and one that breaks it is told
//! so by the rule's name.

#![cfg(feature = "conformance")]

mod small;

use std::panic::catch_unwind;
use std::thread;

use sans3_testkit::conformance::{Rule, check, check_rule};

use small::{Crime, Small};

/// The rules that the small adapter keeps.
const KEPT: [Rule; 6] = [
    Rule::Head,
    Rule::Target,
    Rule::Expect,
    Rule::Reuse,
    Rule::Addresses,
    Rule::Proxy,
];

/// The scripts of a rule that an adapter fails, and the report about them.
fn failed(crime: Crime, rule: Rule) -> (Vec<String>, String) {
    let Err(panic) = catch_unwind(|| check_rule(&Small(crime), rule)) else {
        return (Vec::new(), String::new());
    };
    let text = panic.downcast::<String>().expect("a report");
    let scripts = text
        .lines()
        .filter_map(|line| line.strip_prefix("script: "));
    (scripts.map(str::to_owned).collect(), *text)
}

#[test]
fn a_small_adapter_keeps_many_rules() {
    for rule in KEPT {
        let (scripts, text) = failed(Crime::None, rule);
        assert!(scripts.is_empty(), "{text}");
    }
}

#[test]
fn whoever_breaks_a_rule_is_told_which() {
    let crimes = [
        (
            Crime::AsksForGzip,
            Rule::Head,
            "GET, PUT, HEAD and DELETE have the core's fields",
        ),
        (
            Crime::NormalisesTargets,
            Rule::Target,
            "a target is sent byte for byte",
        ),
        (
            Crime::WaitsForNoContinue,
            Rule::Expect,
            "a body of 1 MiB is sent when 100 has come",
        ),
        (
            Crime::TakesShortBodies,
            Rule::Framing,
            "a body that ends too early is Closed",
        ),
        (
            Crime::NeverReuses,
            Rule::Reuse,
            "a connection serves one request after the other",
        ),
        (
            Crime::ReusesBlindly,
            Rule::Reuse,
            "a connection that the server closed meanwhile",
        ),
        (
            Crime::RetriesInSecret,
            Rule::Reuse,
            "a connection that the server closes as a request",
        ),
        (
            Crime::TriesOneAddress,
            Rule::Addresses,
            "the next address is tried at once",
        ),
        (
            Crime::TellsTheOriginTheProxysPassword,
            Rule::Proxy,
            "https goes through a tunnel",
        ),
    ];
    thread::scope(|scope| {
        for (crime, rule, script) in crimes {
            scope.spawn(move || {
                let named =
                    |scripts: &[String]| scripts.iter().any(|name| name.starts_with(script));
                let without = || failed(Crime::None, rule).0;
                assert!(KEPT.contains(&rule) || !named(&without()), "{rule}");
                let (scripts, text) = failed(crime, rule);
                assert!(named(&scripts), "{crime:?}: {scripts:?}");
                assert!(text.contains("the adapter \"small\" fails"), "{text}");
                assert!(text.contains(&format!("rule {rule}")), "{text}");
                assert!(text.contains("| seen"), "{text}");
            });
        }
    });
}

#[test]
fn a_report_shows_the_lines_that_differ() {
    let (_, text) = failed(Crime::AsksForGzip, Rule::Head);
    let line = text
        .lines()
        .find(|line| line.contains("accept-encoding: gzip"));
    assert!(line.is_some_and(|line| line.starts_with("  !")), "{text}");
}

#[test]
fn an_adapter_that_panics_is_reported_for_every_rule() {
    let panic = catch_unwind(|| check(&Small(Crime::Panics))).unwrap_err();
    let text = panic.downcast::<String>().expect("a report");
    for rule in [
        Rule::Head,
        Rule::Limits,
        Rule::Abort,
        Rule::Tls,
        Rule::InOrder,
    ] {
        assert!(text.contains(&format!("rule {rule}")), "{rule}");
    }
    assert!(
        text.contains("the adapter panicked: this adapter is not finished"),
        "{text}"
    );
}
