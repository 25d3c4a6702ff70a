//! Where settings come from, by made-up environments and files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use sans3_platform::profile::{Keys, Located, Origin, SettingsError, Unsupported, Warning};
use sans3_platform::{Environment, Settings};
use tempfile::TempDir;

/// A home directory with the two files, and the variables that lead to it.
struct World {
    home: TempDir,
    variables: BTreeMap<String, OsString>,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".aws")).unwrap();
        let world = Self {
            home,
            variables: BTreeMap::new(),
        };
        let path = world.home.path().as_os_str().to_owned();
        world.set("HOME", path)
    }

    fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(".aws").join(name)
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        shut(&path);
        self
    }

    fn config(self, text: impl AsRef<[u8]>) -> Self {
        self.file("config", text)
    }

    fn credentials(self, text: impl AsRef<[u8]>) -> Self {
        self.file("credentials", text)
    }

    fn resolve_as(&self, profile: Option<&str>) -> Result<Settings, SettingsError> {
        let variables = self.variables.clone();
        let env = Environment::new(move |name| variables.get(name).cloned());
        Settings::resolve(&env, profile)
    }

    fn resolve(&self) -> Settings {
        self.resolve_as(None).unwrap()
    }

    fn error(&self) -> SettingsError {
        self.resolve_as(None).unwrap_err()
    }

    fn no_keys(&self) -> SettingsError {
        self.resolve().credentials.unwrap_err()
    }
}

#[cfg(unix)]
fn shut(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn shut(_path: &Path) {}

const KEYS: &str = "aws_access_key_id = id-p\naws_secret_access_key = canary-p\n";

fn id(keys: &Located<Keys>) -> &str {
    keys.value.access_key_id.expose()
}

fn secret(keys: &Located<Keys>) -> &str {
    keys.value.secret_access_key.expose()
}

fn value<T: Clone>(located: &Option<Located<T>>) -> Option<T> {
    located.as_ref().map(|found| found.value.clone())
}

#[test]
fn nothing_anywhere_is_no_error_until_keys_are_needed() {
    let world = World::new();
    let settings = world.resolve();
    assert_eq!(value(&settings.region), None);
    assert_eq!(value(&settings.endpoint_url), None);
    assert_eq!(settings.profile.origin, Origin::Default);
    assert_eq!(settings.warnings, []);
    let text = settings.credentials.unwrap_err().to_string();
    for part in [
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set)",
        "profile \"default\"",
        &format!("{:?} (no such file)", world.path("credentials")),
        &format!("{:?} (no such file)", world.path("config")),
        "put aws_access_key_id",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let homeless = Settings::resolve(&Environment::new(|_| None), None).unwrap();
    let text = homeless.credentials.unwrap_err().to_string();
    assert!(text.contains("neither HOME nor AWS_CONFIG_FILE"), "{text}");
}

#[test]
fn keys_of_the_environment_go_before_those_of_the_profile() {
    let world = World::new()
        .credentials(format!("[default]\n{KEYS}aws_session_token = token-p\n"))
        .set("AWS_ACCESS_KEY_ID", "id-e")
        .set("AWS_SECRET_ACCESS_KEY", "canary-e");
    let keys = world.resolve().credentials.unwrap();
    assert_eq!((id(&keys), secret(&keys)), ("id-e", "canary-e"));
    assert!(keys.value.session_token.is_none(), "tokens are not mixed");
    assert_eq!(keys.origin, Origin::Variable("AWS_ACCESS_KEY_ID"));
    let keys = world
        .set("AWS_SESSION_TOKEN", "token-e")
        .resolve()
        .credentials
        .unwrap();
    assert_eq!(keys.value.session_token.unwrap().expose(), "token-e");
}

#[test]
fn a_profile_that_the_caller_names_goes_before_the_environment() {
    let world = World::new()
        .credentials(format!("[work]\n{KEYS}"))
        .config("[profile bare]\nregion = r\n")
        .set("AWS_ACCESS_KEY_ID", "id-e")
        .set("AWS_SECRET_ACCESS_KEY", "canary-e");
    let settings = world.resolve_as(Some("work")).unwrap();
    assert_eq!(id(&settings.credentials.unwrap()), "id-p");
    assert_eq!(settings.profile.origin, Origin::Argument);
    let bare = world.resolve_as(Some("bare")).unwrap();
    let text = bare.credentials.unwrap_err().to_string();
    assert!(text.contains("for profile \"bare\" alone"), "{text}");
    // The variable is a standing wish, and doesn't go before the keys beside it.
    let settings = world.set("AWS_PROFILE", "work").resolve();
    assert_eq!(id(&settings.credentials.unwrap()), "id-e");
}

#[test]
fn the_credentials_file_goes_before_the_config_file() {
    let world = World::new()
        .credentials(format!("[work]\n{KEYS}region = from-credentials\n"))
        .config(
            "[profile work]\naws_access_key_id = id-c\naws_secret_access_key = canary-c\n\
             region = from-config\nca_bundle = ~/ca.pem\n",
        )
        .set("AWS_PROFILE", "work");
    let settings = world.resolve();
    assert_eq!(value(&settings.region).unwrap(), "from-credentials");
    let keys = settings.credentials.unwrap();
    assert_eq!(id(&keys), "id-p");
    let expected = Origin::File {
        path: world.path("credentials"),
        line: 2,
        key: "aws_access_key_id",
    };
    assert_eq!(keys.origin, expected);
    assert_eq!(
        value(&settings.ca_bundle).unwrap(),
        world.home.path().join("ca.pem")
    );
    let other = World::new().config(format!("[default]\n{KEYS}"));
    assert_eq!(id(&other.resolve().credentials.unwrap()), "id-p");
}

#[test]
fn profiles_are_named_as_aws_names_them() {
    let region = |config: &str| value(&World::new().config(config).resolve().region);
    assert_eq!(
        region("[default]\nregion = a").as_deref(),
        Some("a"),
        "default needs no prefix"
    );
    assert_eq!(
        region("[profile default]\nregion = a\n[default]\nregion = b").as_deref(),
        Some("a"),
        "with a prefix it counts more"
    );
    assert_eq!(
        region("[default]\nregion = a\n[x]\n[default]\noutput = json").as_deref(),
        Some("a"),
        "pieces are one"
    );
    let named = |config: &str, name: &str| {
        let found = World::new().config(config).resolve_as(Some(name));
        found.map(|settings| value(&settings.region))
    };
    for config in [
        "[profile a b]\nregion=r",
        "[profile \"a b\"]\nregion=r",
        "[ profile\ta b ]\nregion=r",
    ] {
        assert_eq!(named(config, "a b").unwrap().as_deref(), Some("r"));
    }
    assert!(named("[profilex]\nregion=r", "x").is_err());
}

#[test]
fn a_profile_that_is_nowhere_is_an_error_with_a_hint() {
    let world = World::new()
        .config("[work]\nregion = r\n")
        .set("AWS_PROFILE", "work");
    let text = world.error().to_string();
    for part in [
        "no profile \"work\"",
        "variable AWS_PROFILE",
        "(no such file)",
        "(no such profile)",
        "must be written [profile work]",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    // In the credentials file it is the other way round.
    let world = World::new().credentials(format!("[profile work]\n{KEYS}"));
    let error = world.resolve_as(Some("work")).unwrap_err();
    assert!(matches!(error, SettingsError::NoSuchProfile { .. }));
    // Nothing is missing where "default" is spelt out and there is no file.
    World::new().set("AWS_PROFILE", "default").resolve();
}

#[test]
fn region_comes_from_the_first_that_says_one() {
    let world = World::new()
        .config("[default]\nregion = c\n")
        .set("AWS_DEFAULT_REGION", "b");
    assert_eq!(value(&world.resolve().region).unwrap(), "b");
    let world = world.set("AWS_REGION", " a ");
    assert_eq!(value(&world.resolve().region).unwrap(), "a");
    let world = world.set("AWS_REGION", "").set("AWS_DEFAULT_REGION", "  ");
    assert_eq!(value(&world.resolve().region).unwrap(), "c");
}

const SERVICES: &str = "[default]
services = mine
endpoint_url = http://profile
[services mine]
dynamodb =
  endpoint_url = http://dynamodb
s3 =
  addressing_style = path
  endpoint_url = http://services
";

#[test]
fn endpoint_comes_from_the_first_that_says_one() {
    let endpoint = |world: &World| value(&world.resolve().endpoint_url);
    let world = World::new().config(SERVICES);
    let settings = world.resolve();
    let found = settings.endpoint_url.unwrap();
    assert_eq!(found.value, "http://services");
    assert!(matches!(found.origin, Origin::File { line: 9, .. }));
    let world = world.set("AWS_ENDPOINT_URL", "http://general");
    assert_eq!(endpoint(&world).as_deref(), Some("http://general"));
    let world = world.set("AWS_ENDPOINT_URL_S3", "http://s3");
    assert_eq!(endpoint(&world).as_deref(), Some("http://s3"));
    let world = world.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE");
    assert_eq!(endpoint(&world), None);
    let world = world.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false");
    assert_eq!(endpoint(&world).as_deref(), Some("http://s3"));
    let world = world.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "1");
    assert!(matches!(world.error(), SettingsError::BadValue { .. }));

    let of = |config: &str| endpoint(&World::new().config(config));
    let plain = "[default]\nendpoint_url = http://profile\n";
    assert_eq!(of(plain).as_deref(), Some("http://profile"));
    let without_s3 = "[default]\nservices = m\nendpoint_url = u\n[services m]\nec2 =\n  x = y\n";
    assert_eq!(of(without_s3).as_deref(), Some("u"));
    let ignoring = format!("{plain}ignore_configured_endpoint_urls = true\n");
    assert_eq!(of(&ignoring), None);
}

#[test]
fn a_services_section_that_is_missing_or_broken_is_an_error() {
    let world = World::new().config("[default]\nservices = m\n");
    let text = world.error().to_string();
    assert!(
        text.contains("[services m]") && text.contains("line 2"),
        "{text}"
    );
    let world = World::new().config("[default]\nservices = m\n[services m]\ns3 =\n  canary\n");
    let text = world.error().to_string();
    assert!(
        text.contains("line 5") && !text.contains("canary"),
        "{text}"
    );
}

#[test]
fn half_of_the_keys_is_an_error_and_never_completed_from_elsewhere() {
    let world = World::new()
        .credentials(format!("[default]\n{KEYS}"))
        .set("AWS_ACCESS_KEY_ID", "canary");
    let text = world.no_keys().to_string();
    assert!(text.contains("AWS_SECRET_ACCESS_KEY is not"), "{text}");
    let world = World::new().set("AWS_SECRET_ACCESS_KEY", "canary");
    assert!(
        world
            .no_keys()
            .to_string()
            .contains("AWS_ACCESS_KEY_ID is not")
    );
    let world = World::new()
        .credentials("[default]\naws_secret_access_key = canary\naws_access_key_id =\n")
        .config(format!("[default]\n{KEYS}"));
    let text = world.no_keys().to_string();
    assert!(text.contains("aws_access_key_id is not"), "{text}");
    assert!(
        text.contains("line 2") && !text.contains("canary"),
        "{text}"
    );
}

#[test]
fn keys_with_white_space_or_control_characters_are_refused_unseen() {
    for bad in ["canary x", "canary\n", "\u{e9}canary", "canary\u{1b}[2J"] {
        let world = World::new()
            .set("AWS_ACCESS_KEY_ID", "id")
            .set("AWS_SECRET_ACCESS_KEY", bad);
        let text = world.no_keys().to_string();
        assert!(text.contains("variable AWS_SECRET_ACCESS_KEY: expected visible"));
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn profiles_that_get_their_keys_elsewhere_are_named_as_unsupported() {
    for (setting, way) in [
        ("role_arn = x", Unsupported::AssumeRole),
        (
            "web_identity_token_file = x\nrole_arn = x",
            Unsupported::WebIdentity,
        ),
        ("sso_session = x", Unsupported::SingleSignOn),
        ("sso_start_url = x", Unsupported::SingleSignOn),
        ("login_session = x", Unsupported::Login),
        ("credential_process = x canary", Unsupported::Process),
    ] {
        let world = World::new()
            .config(format!("[profile p]\n{setting}\n"))
            .set("AWS_PROFILE", "p");
        let error = world.no_keys();
        let SettingsError::UnsupportedProfile { way: seen, .. } = &error else {
            panic!("{setting}: {error}");
        };
        assert_eq!(*seen, way, "{setting}");
        let text = error.to_string();
        assert!(text.contains("not supported yet") && text.contains("--profile p"));
        assert!(!text.contains("canary"), "{text}");
    }
    // Keys beside a role are those that it is assumed with, so they must not be used in its place.
    let world = World::new().credentials(format!("[default]\n{KEYS}role_arn = x\n"));
    let error = world.no_keys();
    assert!(matches!(error, SettingsError::UnsupportedProfile { .. }));
    // A program is asked only if the credentials file has none, and before the config file.
    let process = format!("[default]\n{KEYS}credential_process = x\n");
    let world = World::new().config(&process);
    let error = world.no_keys();
    assert!(matches!(error, SettingsError::UnsupportedProfile { .. }));
    World::new()
        .credentials(&process)
        .resolve()
        .credentials
        .unwrap();
    // The environment's own keys make the profile's way irrelevant.
    let world = world
        .set("AWS_ACCESS_KEY_ID", "id")
        .set("AWS_SECRET_ACCESS_KEY", "key");
    world.resolve().credentials.unwrap();
    let world = World::new().set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://canary");
    let text = world.no_keys().to_string();
    assert!(
        text.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI is set"),
        "{text}"
    );
}

#[test]
fn files_can_be_elsewhere_or_nowhere() {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("c");
    fs::write(&path, "[default]\nregion = r\n").unwrap();
    let world = World::new()
        .config("[default]\nregion = usual\n")
        .set("AWS_CONFIG_FILE", path);
    assert_eq!(value(&world.resolve().region).unwrap(), "r");
    let world = world.set("AWS_CONFIG_FILE", "~/.aws/config");
    assert_eq!(value(&world.resolve().region).unwrap(), "usual");
    for nothing in ["/dev/null", "/nonexistent/x", "/dev/null/x"] {
        if cfg!(unix) {
            let world = World::new()
                .config("malformed")
                .set("AWS_CONFIG_FILE", nothing);
            assert_eq!(value(&world.resolve().region), None, "{nothing}");
        }
    }
}

#[test]
fn files_that_are_no_text_or_no_configuration_are_refused() {
    let text = |bytes: &[u8]| World::new().config(bytes).error().to_string();
    assert!(text(b"\xff\xfe[\0d\0").contains("UTF-16"));
    assert!(text(b"[default]\nk = v\n\xffcanary").contains("line 3: bytes that are not UTF-8"));
    assert!(text(b"[default]\r\ncanary\r\n").contains("line 2: neither"));
    assert!(!text(b"[default]\r\ncanary\r\n").contains("canary"));
    let two_lines = b"[default]\nregion = a\n  b\n";
    assert!(text(two_lines).contains("line 3: a second line"));
    let bom = World::new().config("\u{feff}[default]\r\nregion = r\r\n");
    assert_eq!(value(&bom.resolve().region).unwrap(), "r");
}

#[test]
fn a_file_of_one_mebibyte_is_read_and_a_byte_more_is_refused() {
    let mut text = b"[default]\nregion = r\n".to_vec();
    text.resize(1024 * 1024, b'\n');
    let world = World::new().config(&text);
    assert_eq!(value(&world.resolve().region).unwrap(), "r");
    text.push(b'\n');
    let error = world.config(&text).error();
    assert!(matches!(error, SettingsError::TooLarge { .. }));
    if cfg!(unix) {
        let endless = World::new().set("AWS_CONFIG_FILE", "/dev/zero");
        assert!(matches!(endless.error(), SettingsError::TooLarge { .. }));
    }
}

#[test]
fn a_directory_in_place_of_a_file_is_an_error() {
    let world = World::new();
    fs::create_dir(world.path("config")).unwrap();
    let error = world.error();
    assert!(matches!(error, SettingsError::Unreadable { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn line_96_a_secret_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().credentials(format!("[other]\n{KEYS}"));
    let path = world.path("credentials");
    for (mode, warned) in [
        (0o600, false),
        (0o400, false),
        (0o640, true),
        (0o604, true),
        (0o620, true),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = world.resolve().warnings;
        let path = path.clone();
        let expected = warned.then_some(Warning::OpenToOthers { path, mode });
        assert_eq!(warnings, Vec::from_iter(expected), "{mode:o}");
    }
    let text = world.resolve().warnings[0].to_string();
    assert!(text.contains("chmod 600") && text.contains("620"), "{text}");
    // A file without secrets may be read by all.
    let world = World::new().config("[default]\nregion = r\n");
    fs::set_permissions(world.path("config"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(world.resolve().warnings, []);
}

#[test]
fn a_token_without_keys_is_ignored_and_said() {
    let world = World::new()
        .credentials(format!("[default]\n{KEYS}"))
        .set("AWS_SESSION_TOKEN", "canary");
    let settings = world.resolve();
    assert_eq!(settings.warnings, [Warning::StrayToken]);
    assert!(settings.credentials.unwrap().value.session_token.is_none());
}

#[test]
fn line_92_settings_show_no_secret_in_debug() {
    let keys = KEYS.replace("id-p", "canary-id");
    let world = World::new().credentials(format!("[default]\n{keys}aws_session_token=canary\n"));
    let settings = world.resolve();
    let text = format!("{settings:?} {settings:#?}");
    assert!(text.contains("aws_access_key_id"), "the origin is shown");
    assert!(!text.contains("canary"), "{text}");
}
