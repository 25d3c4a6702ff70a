/// Reads a decimal number of digits alone: `str::parse` would also take a sign.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // More digits than a u64 can have are an error of `parse`, so no length need be checked.
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn only_digits_within_64_bits_are_numbers() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for bad in [
            "",
            " 5",
            "5 ",
            "+5",
            "-1",
            "5.0",
            "0x10",
            "1e3",
            "1_000",
            "5, 5",
            "٥",
            "18446744073709551616",
        ] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }
}
