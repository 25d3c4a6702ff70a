/// Choices out of a fuzzer's bytes, from the first on. Behind the last byte all are zero, so that
/// every input means something, and a shorter one something simpler.
#[derive(Clone, Debug)]
pub(super) struct Draw<'a>(&'a [u8]);

/// Numbers at which arithmetic goes wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    10,
    255,
    1 << 16,
    (1 << 31) - 1,
    1 << 32,
    1 << 53,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

impl<'a> Draw<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Below `bound`, or 0. Takes a byte, or two where one is too small.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let high = if bound > 256 {
            usize::from(self.byte())
        } else {
            0
        };
        let drawn = high << 8 | usize::from(self.byte());
        if bound == 0 { 0 } else { drawn % bound }
    }

    /// Any number: small ones most often, and those at the edges of types.
    pub(super) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=199 => u64::from(small),
            edge @ 200..=240 => {
                let around = u64::from(self.byte() % 5);
                EDGES[usize::from(edge) % EDGES.len()]
                    .wrapping_add(around)
                    .wrapping_sub(2)
            }
            _ => u64::from_be_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    pub(super) fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// At most `most` bytes, as they are.
    pub(super) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let len = self.below(most + 1).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    /// Text of at most `most` bytes, or a little more where they are no UTF-8.
    pub(super) fn text(&mut self, most: usize) -> String {
        String::from_utf8_lossy(self.bytes(most)).into_owned()
    }

    /// Text out of these characters.
    pub(super) fn word(&mut self, most: usize, alphabet: &[u8]) -> String {
        let bytes = self.bytes(most).iter();
        bytes
            .map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()]))
            .collect()
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
