//! What the world does to the program: each test carries the number of the line in the list of
//! adversaries that it stands for.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::{Ended, KEY_ID, SECRET, World, bare, events, json};
use http::Method;
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::{Access, Operation, Request};

#[test]
fn adversary_73_names_that_no_file_can_have_are_told() {
    let world = World::new();
    let directory = format!(
        "{}/",
        world.dir.path("").to_str().unwrap().trim_end_matches('/')
    );
    let long = "x".repeat(300);
    world.put(&long, b"content");
    let ended = world.run(["cp", &format!("s3://bucket/{long}"), &directory]);
    ended.failed(1, &[&long, "too long"]);
    let deep = format!("{directory}{}", "d/".repeat(2_500));
    let ended = world.run(["cp", &format!("s3://bucket/{long}"), &format!("{deep}f")]);
    ended.failed(1, &["too long"]);
    let ended = world.run(["cp", &format!("s3://bucket/{long}"), &deep]);
    ended.failed(2, &["expected a directory"]);
    assert_eq!(world.dir.names(), Vec::<String>::new());

    // A line break is a good name, and shown as what it is.
    world.put("two\nlines", b"content");
    let ended = world.run(["cp", "s3://bucket/two\nlines", &directory]).ok();
    assert!(ended.stderr.contains("two\\nlines"), "{}", ended.stderr);
    assert_eq!(world.dir.names(), ["two\nlines"]);
}

/// Runs `ls` with a home directory whose credentials file has these lines, and this mode.
fn with_profile(world: &World, lines: &str, mode: u32) -> Ended {
    let home = world.dir.path("home");
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    let file = home.join(".aws/credentials");
    std::fs::write(&file, format!("[default]\n{lines}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    let url = world.server.endpoint_url();
    let mut command = bare(["ls", "s3://bucket", "--endpoint-url", &url]);
    Ended::of(command.env("HOME", home).output().unwrap())
}

#[test]
fn adversary_96_a_credentials_file_that_others_can_read_is_warned_about() {
    let world = World::new();
    let keys = format!("aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}");
    let warned = with_profile(&world, &keys, 0o644).ok();
    assert!(warned.stderr.contains("chmod 600"), "{}", warned.stderr);
    assert_eq!(with_profile(&world, &keys, 0o600).ok().stderr, "");
}

#[test]
fn adversary_96_a_credential_process_is_not_run_and_not_shown() {
    let world = World::new();
    let marker = world.dir.path("marker");
    let process = format!("credential_process = touch {} canary", marker.display());
    let ended = with_profile(&world, &process, 0o600);
    ended.failed(3, &["credential_process", "not supported"]);
    assert!(!marker.exists() && world.server.stats().total() == 0);
}

#[test]
fn adversary_98_an_upload_that_can_not_be_aborted_does_not_protect_the_others() {
    let refused = Fault::access_denied();
    let refused = Rule::every(Operation::AbortMultipartUpload, refused);
    let world = World::with_faults([refused.of_key("poisoned")]);
    for key in ["a", "poisoned", "z"] {
        world.server.with_model(|model| {
            let access = std::mem::replace(&mut model.config_mut().access, Access::Unchecked);
            let target = format!("/bucket/{key}?uploads");
            assert_eq!(model.handle(Request::new(Method::POST, target)).status, 200);
            model.config_mut().access = access;
        });
    }
    let ended = world.run(["rm", "--uploads", "s3://bucket", "--json"]);
    let all = json(&ended.stdout);
    let counts = &events(&all, "uploads")[0];
    assert_eq!(
        (&counts["aborted"], &counts["failed"]),
        (&2.into(), &1.into())
    );
    ended.failed(1, &["1 of 3 uploads could not be aborted"]);
    assert_eq!(world.server.stats().uploads_open, 1);
}

#[test]
fn adversary_92_no_secret_is_an_argument_and_no_option_ends_verification() {
    let mut shown = String::new();
    for command in ["cp", "ls", "rm", "mb", "presign", "plan", "demo"] {
        let help = Ended::of(bare(["help", command]).output().unwrap()).ok();
        shown.push_str(&help.out().to_lowercase());
    }
    assert!(shown.contains("--profile"));
    for option in [
        "secret",
        "--access-key",
        "session-token",
        "insecure",
        "no-verify",
    ] {
        assert!(!shown.contains(option), "{option}");
    }
}
