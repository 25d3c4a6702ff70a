use super::{
    AbortMultipartUploadOutput, CompleteMultipartUploadOutput, CreateMultipartUploadOutput,
    DeleteObjectOutput, HeadBucketOutput, HeadObjectOutput, ListMultipartUploadsOutput,
    ListObjectsV2Output, ListPartsOutput, PutObjectOutput, UploadPartOutput,
};

/// What a successful answer of any operation says: parsed, and never payload.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Answer {
    /// The bucket exists.
    HeadBucket(HeadBucketOutput),
    /// The bucket was made.
    CreateBucket(()),
    /// The object exists.
    HeadObject(HeadObjectOutput),
    /// The object was written.
    PutObject(PutObjectOutput),
    /// The object is gone.
    DeleteObject(DeleteObjectOutput),
    /// A page of keys.
    ListObjectsV2(ListObjectsV2Output),
    /// The upload was begun.
    CreateMultipartUpload(CreateMultipartUploadOutput),
    /// The part was stored.
    UploadPart(UploadPartOutput),
    /// A page of parts.
    ListParts(ListPartsOutput),
    /// The object was made.
    CompleteMultipartUpload(CompleteMultipartUploadOutput),
    /// The upload is gone.
    AbortMultipartUpload(AbortMultipartUploadOutput),
    /// A page of uploads.
    ListMultipartUploads(ListMultipartUploadsOutput),
}

/// The two conversions of [`Operation`](super::Operation), to and from the variant of one name.
macro_rules! answers_as {
    ($variant:ident) => {
        fn into_answer(output: Self::Output) -> $crate::operation::Answer {
            $crate::operation::Answer::$variant(output)
        }

        fn from_answer(answer: $crate::operation::Answer) -> Option<Self::Output> {
            match answer {
                $crate::operation::Answer::$variant(output) => Some(output),
                _ => None,
            }
        }
    };
}

pub(super) use answers_as;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{AbortMultipartUpload, CreateBucket, Operation};

    #[test]
    fn an_answer_belongs_to_its_operation() {
        let output = AbortMultipartUploadOutput { already_gone: true };
        let answer = AbortMultipartUpload::into_answer(output);
        assert_eq!(CreateBucket::from_answer(answer.clone()), None);
        assert_eq!(AbortMultipartUpload::from_answer(answer), Some(output));
    }
}
