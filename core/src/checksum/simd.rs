//! CRCs by the processor's carry-less multiplication, through `crc-fast`, which looks at run time
//! for what the processor has.

use crc_fast::{CrcAlgorithm, Digest};

use super::crc::Crc;

/// The state after some more bytes. The library's state is ours: what the bytes so far leave
/// before it is complemented.
pub(super) fn update(crc: Crc, state: u64, bytes: &[u8]) -> u64 {
    let algorithm = match crc {
        Crc::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
        Crc::Crc32c => CrcAlgorithm::Crc32Iscsi,
        Crc::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
    };
    let mut digest = Digest::new_with_init_state(algorithm, state);
    digest.update(bytes);
    digest.get_state()
}
