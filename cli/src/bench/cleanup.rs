//! Removing all that was uploaded, whatever happened.

use std::collections::BTreeSet;

use sans3_core::endpoint::ObjectKey;
use sans3_core::operation::{
    AbortMultipartUpload, DeleteObject, ListMultipartUploads, ListObjectsV2, UploadId,
};
use sans3_runtime::Error;
use tokio::task::JoinSet;

use super::place::Place;
use crate::circle::Circle;
use crate::engine::Engine;
use crate::exit::{Failure, Site};
use crate::operand::s3_uri;
use crate::output::{Output, plain};

/// Objects that are removed at once.
const AT_ONCE: usize = 16;
/// Names of what is left that are told; a listing shows the others.
const NAMED: usize = 5;

/// Removes what was put into a place, and nothing else.
pub(super) struct Sweep<'a> {
    pub(super) client: &'a Engine,
    pub(super) place: &'a Place,
    pub(super) site: &'a Site,
    pub(super) output: &'a Output,
}

/// What could not be removed.
#[derive(Default)]
struct Left {
    keys: BTreeSet<Vec<u8>>,
    uploads: Vec<(Vec<u8>, UploadId)>,
    /// The first reason.
    error: Option<Error>,
}

impl Sweep<'_> {
    /// Removes the objects `begun`, then whatever else a listing of the place shows, and aborts the
    /// unfinished uploads there. Goes on after a signal: a second one ends the program.
    ///
    /// # Errors
    /// What is left, by name, and why.
    pub(super) async fn run(&self, begun: Vec<ObjectKey>) -> Result<(), Failure> {
        let mut left = Left::default();
        self.remove(begun, &mut left).await;
        let listed = self.remove_listed(&mut left).await;
        let aborted = self.abort_uploads(&mut left).await;
        self.report(&left)?;
        let unseen = listed.err().map(|error| ("objects", error));
        let unseen = unseen.or_else(|| aborted.err().map(|error| ("unfinished uploads", error)));
        match unseen {
            None => Ok(()),
            Some((what, error)) => self.output.warn(&format!(
                "all that was uploaded is removed, but whether other {what} are left beneath {} \
                 could not be seen: {error}",
                self.place.uri()
            )),
        }
    }

    async fn remove(&self, keys: Vec<ObjectKey>, left: &mut Left) {
        let mut keys = keys.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE
                && let Some(key) = keys.next()
            {
                let delete = DeleteObject::new(self.place.bucket.clone(), key.clone());
                let call = self.client.call(delete);
                running.spawn(async move { (key, call.await) });
            }
            match running.join_next().await {
                None => return,
                Some(Ok((_, Ok(_)))) => {}
                Some(Ok((key, Err(error)))) => left.keep(key.as_bytes(), error),
                // Its key is found by the listing.
                Some(Err(_)) => left.note(Error::Closed),
            }
        }
    }

    /// What lost answers may have left.
    async fn remove_listed(&self, left: &mut Left) -> Result<(), Error> {
        let mut pages = self.client.list(ListObjectsV2 {
            prefix: self.place.prefix.clone(),
            ..ListObjectsV2::new(self.place.bucket.clone())
        });
        while let Some(page) = pages.next().await {
            let found = page?.objects.into_iter().map(|object| object.key);
            // Servers have been seen to ignore the prefix.
            let ours = found.filter(|key| key.starts_with(&self.place.prefix));
            let tried = |key: &Vec<u8>| left.keys.contains(key);
            let fresh: Vec<Vec<u8>> = ours.filter(|key| !tried(key)).collect();
            let keys = fresh.into_iter().filter_map(|key| ObjectKey::new(key).ok());
            self.remove(keys.collect(), left).await;
        }
        Ok(())
    }

    async fn abort_uploads(&self, left: &mut Left) -> Result<(), Error> {
        let mut request = Some(ListMultipartUploads {
            prefix: self.place.prefix.clone(),
            ..ListMultipartUploads::new(self.place.bucket.clone())
        });
        let mut circle = Circle::default();
        while let Some(asked) = request.take() {
            let page = self.client.call(asked.clone()).await?;
            for upload in &page.uploads {
                let ours = upload.key.starts_with(&self.place.prefix);
                let Some(key) = ObjectKey::new(upload.key.as_slice()).ok().filter(|_| ours) else {
                    continue;
                };
                let (bucket, id) = (self.place.bucket.clone(), upload.upload_id.clone());
                let abort = AbortMultipartUpload::new(bucket, key, id);
                if let Err(error) = self.client.call(abort).await {
                    let upload = (upload.key.clone(), upload.upload_id.clone());
                    left.uploads.push(upload);
                    left.note(error);
                }
            }
            request = circle.follow(asked.next_page(&page));
        }
        Ok(())
    }

    fn report(&self, left: &Left) -> Result<(), Failure> {
        let Some(error) = &left.error else {
            return Ok(());
        };
        let failure = Failure::transfer(error, self.site);
        let uri = self.place.uri();
        let (objects, uploads) = (left.keys.len(), left.uploads.len());
        let mut names: Vec<String> = left
            .keys
            .iter()
            .map(|key| s3_uri(&self.place.bucket, key))
            .chain(left.uploads.iter().map(|(key, id)| {
                let uri = s3_uri(&self.place.bucket, key);
                format!("upload {} to {uri}", plain(id.as_str()))
            }))
            .collect();
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        let what = match (objects, uploads) {
            (0, 0) => "something may be".to_owned(),
            (objects, 0) => format!("{objects} of the objects may be"),
            (0, uploads) => format!("{uploads} unfinished uploads may be"),
            (objects, uploads) => format!("{objects} of the objects and {uploads} uploads may be"),
        };
        let names = match names.as_slice() {
            [] => String::new(),
            names => format!(" ({})", names.join(", ")),
        };
        Err(Failure {
            message: format!("{what} left beneath {uri}{names}: {}", failure.message),
            ..failure
        }
        .with_advice(format!(
            "see them with `sans3 ls -r {uri}`, remove each with `sans3 rm`, and uploads with \
             `sans3 rm --uploads {uri}`"
        )))
    }
}

impl Left {
    fn keep(&mut self, key: &[u8], error: Error) {
        self.keys.insert(key.to_vec());
        self.note(error);
    }

    fn note(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }
}
