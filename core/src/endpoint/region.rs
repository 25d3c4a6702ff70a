use core::fmt;
use std::sync::Arc;

use crate::error::SpecError;

/// A region's name, such as `eu-west-3`: one label of a host name, since AWS's endpoints are built
/// out of it. Servers may name one in an answer, and it must not lead anywhere else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

impl Region {
    /// Takes a name of 1 to 63 lower-case letters, digits and inner hyphens.
    ///
    /// # Errors
    /// Any other name.
    pub fn new(name: &str) -> Result<Self, SpecError> {
        let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let sound = (1..=63).contains(&name.len()) && name.bytes().all(label);
        if !sound || name.starts_with('-') || name.ends_with('-') {
            return Err(SpecError::new(
                "region",
                "1 to 63 lower-case letters, digits or inner hyphens, such as us-east-1",
                name,
            ));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain of the partition that the region is in (the `dnsSuffix` of AWS's endpoint rules).
    pub(super) fn dns_suffix(&self) -> &'static str {
        const PARTITIONS: [(&str, &str); 7] = [
            ("cn-", "amazonaws.com.cn"),
            ("eusc-", "amazonaws.eu"),
            ("us-iso-", "c2s.ic.gov"),
            ("us-isob-", "sc2s.sgov.gov"),
            ("us-isof-", "csp.hci.ic.gov"),
            ("eu-isof-", "csp.hci.ic.gov"),
            ("eu-isoe-", "cloud.adc-e.uk"),
        ];
        let partition = PARTITIONS
            .iter()
            .find(|(prefix, _)| self.0.starts_with(prefix));
        partition.map_or("amazonaws.com", |&(_, suffix)| suffix)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
