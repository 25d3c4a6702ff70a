//! The cases of AWS's endpoint rules (`tests/vectors/endpoints`) that concern what this crate has:
//! regional endpoints, custom endpoints, and buckets in the host or in the path.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sans3_core::endpoint::{AddressingStyle, BucketName, Endpoint, Region};
use sans3_core::error::SpecError;
use serde_json::Value;

/// How a case ends here. Every case is in one of these, and the numbers are asserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// The URL and the signing region are those of the rules.
    SameUrl,
    /// The rules give an error, and so do we.
    SameError,
    /// The rules put any text into a path, `example.com#` as `example.com%23`; we refuse names
    /// beyond letters, digits, `.`, `-` and `_`, which no server has.
    NameRefused,
    /// An access point or an outpost by its ARN: not provided, and refused as a bucket name.
    ArnRefused,
    /// FIPS, dual-stack, Accelerate, Object Lambda or S3 Express's control endpoint: not provided.
    Variant,
    /// The endpoint without region (`aws-global`, or `UseGlobalEndpoint` where it has an effect, in
    /// us-east-1): not provided.
    Global,
    /// A directory bucket (`--x-s3`, `--xa-s3`) or an outpost's alias (`--op-s3`): not provided.
    SpecialBucket,
    /// No bucket: the rules give the URL of the service, which no operation here is sent to.
    NoBucket,
}

#[test]
fn adversary_89_buckets_and_regions_end_as_the_393_cases_say() {
    let mut counts = BTreeMap::new();
    for case in cases() {
        *counts.entry(judge(&case)).or_insert(0) += 1;
    }
    let expected = [
        (Verdict::SameUrl, 37),
        (Verdict::SameError, 5),
        (Verdict::NameRefused, 6),
        (Verdict::ArnRefused, 94),
        (Verdict::Variant, 180),
        (Verdict::Global, 16),
        (Verdict::SpecialBucket, 48),
        (Verdict::NoBucket, 7),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(counts.values().sum::<i32>(), 393);
}

/// Sorts a case, and asserts all that can be said about its kind.
fn judge(case: &Value) -> Verdict {
    let params = &case["params"];
    let is_set = |name: &str| params[name] == Value::Bool(true);
    let variants = [
        "UseFIPS",
        "UseDualStack",
        "Accelerate",
        "UseObjectLambdaEndpoint",
        "UseS3ExpressControlEndpoint",
    ];
    let bucket = params["Bucket"].as_str();
    let region = params["Region"].as_str();
    let title = &case["documentation"];

    if let Some(arn) = bucket.filter(|bucket| bucket.starts_with("arn:")) {
        assert!(BucketName::new(arn).is_err(), "{title}");
        return Verdict::ArnRefused;
    }
    if variants.into_iter().any(is_set) {
        return Verdict::Variant;
    }
    let is_first = region == Some("us-east-1") && params["Endpoint"].is_null();
    if region == Some("aws-global") || (is_set("UseGlobalEndpoint") && is_first) {
        return Verdict::Global;
    }
    let special = ["--x-s3", "--xa-s3", "--op-s3"];
    if bucket.is_some_and(|bucket| special.iter().any(|end| bucket.ends_with(end))) {
        return Verdict::SpecialBucket;
    }

    let endpoint = endpoint(params);
    let rule = &case["expect"]["endpoint"];
    if rule.is_null() {
        assert!(endpoint.is_err(), "{title}: expected {}", case["expect"]);
        return Verdict::SameError;
    }
    let endpoint = endpoint.unwrap();
    let url = rule["url"].as_str().unwrap();
    let scheme = &rule["properties"]["authSchemes"][0];
    assert_eq!(
        scheme["signingRegion"],
        endpoint.region().as_str(),
        "{title}"
    );
    assert_eq!(scheme["disableDoubleEncoding"], true, "{title}");
    let Some(bucket) = bucket else {
        assert_eq!(endpoint.to_string(), url, "{title}");
        return Verdict::NoBucket;
    };
    match BucketName::new(bucket) {
        Ok(bucket) => {
            let address = endpoint.address(&bucket, None).to_string();
            // The rules leave out the slash that every path begins with.
            assert_eq!(address.trim_end_matches('/'), url, "{title}");
            Verdict::SameUrl
        }
        Err(_) => {
            assert!(url.contains('%'), "{title}: only encoded names are refused");
            Verdict::NameRefused
        }
    }
}

/// The endpoint that a case's parameters describe. The rules put buckets into the host of a custom
/// endpoint unless told otherwise, which this crate does only when asked.
fn endpoint(params: &Value) -> Result<Endpoint, SpecError> {
    let region = Region::new(params["Region"].as_str().unwrap_or_default())?;
    let endpoint = match params["Endpoint"].as_str() {
        Some(url) => Endpoint::custom(url, region)?,
        None => Endpoint::aws(region),
    };
    if params["ForcePathStyle"] == Value::Bool(true) {
        return endpoint.with_style(AddressingStyle::Path);
    }
    let hosts = endpoint.clone().with_style(AddressingStyle::VirtualHost);
    // An IP address has no subdomains: the rules go on with paths there, and we refuse the style.
    Ok(hosts.unwrap_or(endpoint))
}

fn cases() -> Vec<Value> {
    let file = "../tests/vectors/endpoints/endpoint-tests-1.json";
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    document["testCases"].as_array().unwrap().clone()
}
