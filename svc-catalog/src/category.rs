//! A category: a node of the tree in which products stand.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::violation::{Violation, at_most, no_nul};

/// The longest id, in characters.
pub const MAX_ID_CHARS: usize = 64;
/// The longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 200;
/// How deep the tree may grow.
pub const MAX_DEPTH: usize = 8;

/// A category's id: a slug of lower-case letters, digits and single hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CategoryId(String);

/// The text is no slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be up to {MAX_ID_CHARS} lower-case letters, digits and single hyphens")]
pub struct NoSlug;

impl CategoryId {
    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CategoryId {
    type Err = NoSlug;

    fn from_str(text: &str) -> Result<Self, NoSlug> {
        let word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if text.len() <= MAX_ID_CHARS && text.split('-').all(word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoSlug)
        }
    }
}

impl fmt::Display for CategoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Its id.
    pub id: CategoryId,
    /// What it is called.
    pub title: String,
    /// `None` at a root.
    pub parent_id: Option<CategoryId>,
}

impl Category {
    /// Checks the rules.
    ///
    /// # Errors
    /// Every rule that is broken.
    pub fn new(id: &str, title: &str, parent_id: &str) -> Result<Self, Vec<Violation>> {
        let id = id
            .parse()
            .map_err(|error: NoSlug| Violation::new("id", "ID_INVALID", error.to_string()));
        let parent_id = match parent_id {
            "" => Ok(None),
            parent => parent
                .parse()
                .map(Some)
                .map_err(|_| Violation::category_unknown("parent_id")),
        };
        match (id, check_title(title), parent_id) {
            (Ok(id), Ok(title), Ok(parent_id)) => Ok(Self {
                id,
                title,
                parent_id,
            }),
            (id, title, parent_id) => Err([id.err(), title.err(), parent_id.err()]
                .into_iter()
                .flatten()
                .collect()),
        }
    }

    /// Where it stands below its parent's path.
    ///
    /// # Errors
    /// `CATEGORY_TOO_DEEP`.
    pub fn path(&self, parent_path: &str) -> Result<String, Violation> {
        if parent_path.matches('/').count() >= MAX_DEPTH {
            return Err(Violation::new(
                "parent_id",
                "CATEGORY_TOO_DEEP",
                format!("is at the depth of {MAX_DEPTH} already"),
            ));
        }
        Ok(format!("{parent_path}{}/", self.id))
    }
}

fn check_title(title: &str) -> Result<String, Violation> {
    let title = title.trim();
    if title.is_empty() {
        return Err(Violation::new("title", "NAME_MISSING", "must not be empty"));
    }
    no_nul("title", title)?;
    at_most("title", "TITLE_TOO_LONG", title, MAX_TITLE_CHARS)?;
    Ok(title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slugs_are_ids() {
        for good in ["outdoors", "hot-dispensed", "4x4"] {
            assert!(good.parse::<CategoryId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-",
            "a--b",
            "a-",
            "Tents",
            "a b",
            "a/b",
            "tänts",
            &"a".repeat(65),
        ] {
            assert!(bad.parse::<CategoryId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_leads_down_from_the_root_but_not_for_ever() {
        let tents = Category::new("tents", "Tents", "outdoors").unwrap();
        assert_eq!(tents.path("outdoors/").unwrap(), "outdoors/tents/");
        assert_eq!(
            tents.path(&"a/".repeat(MAX_DEPTH)).unwrap_err().reason,
            "CATEGORY_TOO_DEEP"
        );
    }
}
