use super::Script;
pub(super) fn scripts() -> Vec<Script> {
    Vec::new()
}
