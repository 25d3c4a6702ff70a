mod files;
mod slow;

use sans3_platform::{Environment, Settings};

use super::Draw;
use files::Files;

/// What no message may show.
const CANARY: &str = "canary";

/// AWS's shared files. The first byte says whether the rest is two files, with a NUL between them,
/// or the choices by which they are written; the second what the environment holds.
///
/// Holds: a well-formed file means what an independent reader takes it for, however it is laid out;
/// any other is read or refused, the same way each time, and neither settings nor errors show a
/// secret.
///
/// # Panics
/// Where one of these is broken.
pub fn profile(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    if draw.flag() {
        written(&mut draw);
    } else {
        raw(&mut draw);
    }
}

fn raw(draw: &mut Draw<'_>) {
    let choice = draw.byte();
    let mut halves = draw.rest().splitn(2, |byte| *byte == 0);
    let config = halves.next().unwrap_or_default();
    let credentials = halves.next().unwrap_or_default();
    let files = Files::write(config, credentials);
    let named = [None, Some("work"), Some(""), Some("default")][usize::from(choice & 3)];
    let argument = if choice & 4 == 0 { named } else { None };
    let variable = if choice & 4 == 0 { None } else { named };
    let resolve = || Settings::resolve(&files.environment(variable), argument);
    let seen = resolve();
    let shown = format!("{seen:?}");
    // Reading takes long, so that it is done twice only now and then.
    if choice & 0xf0 == 0 {
        assert_eq!(shown, format!("{:?}", resolve()), "read in two ways");
    }
    if secrets_alone(config) && secrets_alone(credentials) {
        assert!(!shown.contains(CANARY), "{shown}");
        if let Err(error) = &seen {
            assert!(!error.to_string().contains(CANARY), "{error}");
        }
    }
    let Ok(settings) = seen else { return };
    for warning in &settings.warnings {
        assert!(!warning.to_string().contains(CANARY), "{warning}");
    }
    match &settings.credentials {
        Ok(keys) => {
            let (id, secret) = (&keys.value.access_key_id, &keys.value.secret_access_key);
            let token = keys.value.session_token.as_ref();
            for part in [Some(id), Some(secret), token].into_iter().flatten() {
                let text = part.expose();
                let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
                assert!(visible && !text.is_empty(), "a key that can't be sent");
            }
        }
        Err(error) => {
            let text = error.to_string();
            let plain = !secrets_alone(config) || !secrets_alone(credentials);
            assert!(plain || !text.contains(CANARY), "{text}");
        }
    }
}

/// Whether the canary stands nowhere but in the values of secrets, which are lines of their own.
fn secrets_alone(file: &[u8]) -> bool {
    let text = String::from_utf8_lossy(file);
    text.split('\n')
        .filter(|line| line.contains(CANARY))
        .all(|line| {
            let (key, _) = line.split_once('=').unwrap_or_default();
            let key = key.to_ascii_lowercase();
            matches!(
                key.trim_end(),
                "aws_secret_access_key" | "aws_session_token"
            )
        })
}

fn written(draw: &mut Draw<'_>) {
    let config = slow::compose(draw, true);
    let credentials = slow::compose(draw, false);
    let (config_text, credentials_text) = (config.text(draw), credentials.text(draw));
    let files = Files::write(config_text.as_bytes(), credentials_text.as_bytes());
    let profile = *draw.pick(&slow::PROFILES);
    let told = format!("{profile} of\n{config_text}\nand\n{credentials_text}");
    let environment: Environment = files.environment(Some(profile));
    let settings = match Settings::resolve(&environment, None) {
        Ok(settings) => settings,
        Err(error) => {
            let missing = !config.has(profile) && !credentials.has(profile);
            assert!(missing && profile != "default", "{error}: {told}");
            return;
        }
    };
    let find = |key: &str| {
        credentials
            .setting(profile, key)
            .or(config.setting(profile, key))
    };
    let region = settings.region.map(|found| found.value);
    assert_eq!(region.as_deref(), find("region"), "{told}");
    let url = settings.endpoint_url.map(|found| found.value);
    assert_eq!(url.as_deref(), find("endpoint_url"), "{told}");
    let shown = format!("{:?}", settings.credentials);
    assert!(!shown.contains(CANARY), "{shown}");

    // Keys are never put together from two files.
    let keys = |file: &slow::File| {
        let id = file.setting(profile, "aws_access_key_id");
        let secret = file.setting(profile, "aws_secret_access_key");
        let token = file.setting(profile, "aws_session_token");
        (id.is_some() || secret.is_some()).then(|| {
            let pair = id.zip(secret);
            pair.map(|(id, secret)| (id.to_owned(), secret.to_owned(), token.map(str::to_owned)))
        })
    };
    let slow = keys(&credentials).or_else(|| keys(&config)).flatten();
    let seen = settings.credentials.ok().map(|keys| {
        let keys = keys.value;
        let token = keys.session_token.map(|token| token.expose().to_owned());
        let (id, secret) = (keys.access_key_id, keys.secret_access_key);
        (id.expose().to_owned(), secret.expose().to_owned(), token)
    });
    assert_eq!(seen, slow, "{told}");
}
