//! The id of a category from its name.

/// "Hot dispensed" becomes "hot-dispensed".
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for letter in name.trim().chars().flat_map(char::to_lowercase) {
        if letter.is_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_slugs() {
        for (name, expected) in [
            ("hot dispensed", "hot-dispensed"),
            ("  Salty  Snacks ", "salty-snacks"),
            ("Home & Garden", "home-garden"),
            ("furniture", "furniture"),
            ("!", ""),
        ] {
            assert_eq!(slug(name), expected);
        }
    }
}
