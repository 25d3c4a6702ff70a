use super::parts::Parts;
use crate::checksum::{Algorithm, Checksum, Hasher, composite};
use crate::operation::HeadObjectOutput;
use crate::transfer::Verified;

/// The name of the metadata that marks a conditional write as ours.
pub(super) const TOKEN: &str = "sans3-token";

/// What the object that was uploaded must look like from outside.
#[derive(Debug)]
pub(super) struct Identity<'a> {
    pub(super) size: u64,
    /// The checksum of the whole, where the algorithm gives one.
    pub(super) full: Option<Checksum>,
    pub(super) algorithm: Algorithm,
    pub(super) parts: &'a Parts,
    /// The value under [`TOKEN`], where the write was conditional.
    pub(super) token: Option<&'a str>,
}

/// Whether an object is the one that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It is, proved in this way.
    Ours(Verified),
    /// It is by its size, and nothing more can be said.
    Possible,
    /// It is not, for this reason.
    Other(String),
}

impl Identity<'_> {
    /// Compares the object that a HEAD found.
    pub(super) fn compare(&self, head: &HeadObjectOutput) -> Likeness {
        if head.size != self.size {
            let sizes = format!("it has {} bytes instead of {}", head.size, self.size);
            return Likeness::Other(sizes);
        }
        let found = head.metadata.get(TOKEN).map(String::as_str);
        if self.token.is_some() && found != self.token {
            return Likeness::Other("it does not carry this upload's token".into());
        }
        match self.by_checksum(head) {
            Likeness::Possible if self.token.is_some() => Likeness::Ours(Verified::Length),
            Likeness::Possible if self.has_our_tag(head) => Likeness::Ours(Verified::Length),
            likeness => likeness,
        }
    }

    fn by_checksum(&self, head: &HeadObjectOutput) -> Likeness {
        let full = head
            .declared
            .full_object
            .iter()
            .find(|sum| sum.algorithm == self.algorithm);
        if let (Some(seen), Some(ours)) = (full, &self.full) {
            return if seen == ours {
                Likeness::Ours(Verified::FullObject(self.algorithm))
            } else {
                Likeness::Other(format!("it has {seen} instead of {ours}"))
            };
        }
        let parts = self.parts.count();
        let seen =
            head.declared.composite.iter().find(|seen| {
                seen.checksum.algorithm == self.algorithm && seen.parts.get() == parts
            });
        match (seen, self.parts.composite(self.algorithm)) {
            (Some(seen), Some(ours)) if seen.checksum == ours => {
                Likeness::Ours(Verified::Composite(self.algorithm))
            }
            (Some(seen), Some(ours)) => {
                Likeness::Other(format!("it has {} instead of {ours}", seen.checksum))
            }
            _ => Likeness::Possible,
        }
    }

    /// Whether the entity tag is the MD5 of the parts' tags with their number behind it, as S3
    /// makes it for unencrypted multipart uploads.
    fn has_our_tag(&self, head: &HeadObjectOutput) -> bool {
        let Some(etag) = &head.etag else { return false };
        self.parts
            .multipart_tag()
            .is_some_and(|ours| ours == etag.unquoted())
    }
}

impl Parts {
    /// The checksum over the checksums of all parts.
    fn composite(&self, algorithm: Algorithm) -> Option<Checksum> {
        let digests: Option<Vec<_>> = self
            .stored()
            .map(|part| {
                Some(
                    part.checksum
                        .filter(|sum| sum.algorithm == algorithm)?
                        .digest,
                )
            })
            .collect();
        let digests = digests.filter(|digests| !digests.is_empty())?;
        Some(composite(&digests, algorithm))
    }

    fn multipart_tag(&self) -> Option<String> {
        let mut hasher = Hasher::new(Algorithm::Md5);
        for part in self.stored() {
            hasher.update(&part.etag.as_md5()?);
        }
        (self.count() > 0).then(|| format!("{:?}-{}", hasher.finish().digest, self.count()))
    }
}
