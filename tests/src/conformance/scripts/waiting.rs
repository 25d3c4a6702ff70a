use super::Script;
use crate::conformance::Features;
pub(super) fn scripts(_: Features) -> Vec<Script> {
    Vec::new()
}
