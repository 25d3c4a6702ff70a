use core::fmt;
use core::marker::PhantomData;

use crate::attempt::TransferId;

/// The receipt of a transfer: what its result is taken with.
pub struct Handle<T> {
    id: TransferId,
    kind: PhantomData<fn() -> T>,
}

impl<T> Handle<T> {
    pub(super) const fn new(id: TransferId) -> Self {
        Self {
            id,
            kind: PhantomData,
        }
    }

    /// The transfer's name in steps and inputs.
    pub const fn id(&self) -> TransferId {
        self.id
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.id).finish()
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}
