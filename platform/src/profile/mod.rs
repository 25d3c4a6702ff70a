//! Credentials, region and endpoint, from where AWS's own tools look for them.
//!
//! In this order, the first that has a value wins (AWS SDKs and Tools Reference Guide, "Settings
//! reference"):
//!
//! | setting | looked for in |
//! |---|---|
//! | credentials | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; the profile |
//! | region | `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's `region` |
//! | endpoint | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, `s3` in the profile's `services` section, the profile's `endpoint_url` |
//! | CA bundle | `AWS_CA_BUNDLE`, the profile's `ca_bundle` |
//! | profile | the caller's word, `AWS_PROFILE`, `default` |
//!
//! A profile is what `~/.aws/credentials` (or `AWS_SHARED_CREDENTIALS_FILE`) and `~/.aws/config` (or
//! `AWS_CONFIG_FILE`) together say under its name; where both have a setting, the first wins. The
//! three parts of a credential are never mixed from two places.
//!
//! Only keys that stand in the files are read. Profiles that get theirs from elsewhere (a role, a
//! single sign-on, a program) are named as unsupported, never passed over in silence.

mod error;
mod file;
mod files;
mod ini;
mod keys;
mod settings;

pub use error::{Looked, SettingsError, Unsupported, Warning};
pub use keys::Keys;
pub use settings::{Located, Origin, Settings};
