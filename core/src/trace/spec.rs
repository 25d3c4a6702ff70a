use std::any::Any;

use serde::{Deserialize, Serialize};

use super::ReplayError;
use crate::operation::{
    AbortMultipartUpload, CompleteMultipartUpload, CreateBucket, CreateMultipartUpload,
    DeleteObject, HeadBucket, HeadObject, ListMultipartUploads, ListObjectsV2, ListParts,
    PutObject, UploadPart,
};
use crate::session::Session;
use crate::time::Instant;
use crate::transfer::{Call, Download, Listing, Transfer, Upload};

/// Makes an enum of all kinds of transfers, since a session forgets which kind it was given.
macro_rules! specs {
    ($($name:ident($kind:ty),)*) => {
        /// A transfer as the caller asked for it.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the name of a transfer or operation says what it is")]
        pub enum Spec {
            $($name($kind),)*
            /// A call of an operation that is not one of this crate's; its type.
            Foreign(String),
        }

        impl Spec {
            pub(super) fn of<T: Transfer>(transfer: &T) -> Self {
                let any: &dyn Any = transfer;
                $(if let Some(spec) = any.downcast_ref::<$kind>() {
                    return Self::$name(spec.clone());
                })*
                Self::Foreign(core::any::type_name::<T>().into())
            }

            pub(super) fn insert(
                self,
                session: &mut Session,
                now: Instant,
            ) -> Result<(), ReplayError> {
                match self {
                    $(Self::$name(spec) => drop(session.insert(spec, now)),)*
                    Self::Foreign(name) => return Err(ReplayError::Foreign(name)),
                }
                Ok(())
            }
        }
    };
}

specs! {
    Download(Download),
    Upload(Upload),
    Listing(Listing),
    HeadBucket(Call<HeadBucket>),
    CreateBucket(Call<CreateBucket>),
    HeadObject(Call<HeadObject>),
    PutObject(Call<PutObject>),
    DeleteObject(Call<DeleteObject>),
    ListObjectsV2(Call<ListObjectsV2>),
    CreateMultipartUpload(Call<CreateMultipartUpload>),
    UploadPart(Call<UploadPart>),
    ListParts(Call<ListParts>),
    CompleteMultipartUpload(Call<CompleteMultipartUpload>),
    AbortMultipartUpload(Call<AbortMultipartUpload>),
    ListMultipartUploads(Call<ListMultipartUploads>),
}
