//! The same requests by other libraries.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use futures_util::FutureExt as _;
use http::request::Parts;
use http::{Request, header};
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest as _};
use rusty_s3::actions::S3Action as _;
use rusty_s3::{Bucket, Credentials, UrlStyle};

use crate::{BUCKET, ENDPOINT, KEY, KEY_ID, RANGE, REGION, SECRET, SIGNED_AT};

/// The URL of the object.
pub fn url() -> String {
    format!("{ENDPOINT}/{BUCKET}/{KEY}")
}

/// # Panics
/// It is a request.
pub fn request() -> Request<()> {
    let request = Request::get(url()).header(header::RANGE, RANGE);
    let request = request.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    request.body(()).expect("a request")
}

/// What aws-sigv4 needs besides the request.
pub fn aws_identity() -> Identity {
    AwsCredentials::from_keys(KEY_ID, SECRET, None).into()
}

/// A request signed by aws-sigv4, with the settings that its SDK has for S3.
///
/// # Panics
/// It can be signed.
pub fn aws_sigv4(identity: &Identity) -> Request<()> {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(SIGNED_AT.unsigned_abs());
    let parameters = v4::SigningParams::builder()
        .identity(identity)
        .region(REGION)
        .name("s3")
        .time(time)
        .settings(settings)
        .build()
        .expect("all is set")
        .into();
    let mut request = Request::get(url())
        .header(header::RANGE, RANGE)
        .body(())
        .expect("a request");
    let uri = request.uri().to_string();
    let fields = [("range", RANGE)].into_iter();
    let signable = SignableRequest::new("GET", &uri, fields, SignableBody::UnsignedPayload);
    let signed = sign(signable.expect("a request"), &parameters);
    let (instructions, _) = signed.expect("a signature").into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

/// What reqsign signs with.
pub fn reqsign_signer() -> (RequestSigner, Context, Credential) {
    let credential = Credential {
        access_key_id: KEY_ID.into(),
        secret_access_key: SECRET.into(),
        ..Credential::default()
    };
    (RequestSigner::new("s3", REGION), Context::new(), credential)
}

/// A request signed by reqsign. It takes the time from the clock.
///
/// # Panics
/// It can be signed.
pub fn reqsign(signer: &(RequestSigner, Context, Credential)) -> Parts {
    let (signer, context, credential) = signer;
    let mut parts = request().into_parts().0;
    signer
        .sign_request(context, &mut parts, Some(credential), None)
        .now_or_never()
        .expect("nothing to wait for")
        .expect("a signature");
    parts
}

/// What rusty-s3 signs with.
///
/// # Panics
/// The URL is one.
pub fn rusty_bucket() -> (Bucket, Credentials) {
    let endpoint = ENDPOINT.parse().expect("a URL");
    let bucket = Bucket::new(endpoint, UrlStyle::Path, BUCKET, REGION).expect("a bucket");
    (bucket, Credentials::new(KEY_ID, SECRET))
}

/// A URL signed by rusty-s3, which has no other way.
pub fn rusty_presign((bucket, credentials): &(Bucket, Credentials)) -> url::Url {
    bucket
        .get_object(Some(credentials), KEY)
        .sign(Duration::from_secs(3600))
}

/// A page of a listing as rusty-s3 reads it: how many keys.
///
/// # Panics
/// It is one.
pub fn rusty_list(body: &str) -> usize {
    let page = rusty_s3::actions::ListObjectsV2::parse_response(body);
    page.expect("a page").contents.len()
}
