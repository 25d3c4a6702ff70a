use sans3_core::time::Instant;

use crate::drive::Sent;

/// A hash of what was sent, and when: FNV-1a over 64-bit words (Fowler, Noll and Vo; RFC 9923),
/// which is the same on every machine.
pub(super) struct Log(u64);

impl Default for Log {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Log {
    pub(super) fn request(&mut self, request: &Sent, now: Instant) {
        self.note(&now.as_nanos().to_le_bytes());
        self.note(request.method.as_str().as_bytes());
        self.note(request.target.as_bytes());
        for (name, value) in &request.headers {
            self.note(name.as_str().as_bytes());
            self.note(value.as_bytes());
        }
        self.note(&request.body);
    }

    pub(super) fn note(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    pub(super) const fn hash(&self) -> u64 {
        self.0
    }

    const fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    }
}
