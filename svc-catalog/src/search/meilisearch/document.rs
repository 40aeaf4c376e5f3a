//! A product as the search server knows it, and how it searches it.

use std::collections::BTreeMap;

use meilisearch_sdk::settings::{
    FacetSortValue, FacetingSettings, MinWordSizeForTypos, PaginationSetting, Settings,
    TypoToleranceSettings,
};
use serde::Serialize;

use crate::{product::Product, search::MAX_RESULTS};

/// Another number means another index: the next start builds it. To be raised
/// with each change of [`Document`] or [`settings`].
pub(in crate::search) const SETTINGS_VERSION: i32 = 1;

/// The field that identifies a document.
pub(in crate::search) const PRIMARY_KEY: &str = "id";

/// The most values of a facet that are counted. Terms of all attributes share
/// one facet.
const MAX_VALUES_PER_FACET: usize = 1000;

/// From how many characters on a word may have one typing error, and two.
const ONE_TYPO_FROM: u8 = 4;
const TWO_TYPOS_FROM: u8 = 8;

/// A product in the index.
#[derive(Debug, Serialize)]
pub(in crate::search) struct Document {
    id: String,
    sku: String,
    title: String,
    description: String,
    category_id: String,
    /// The category and those above it.
    categories: Vec<String>,
    /// Attributes, to be searched …
    texts: Vec<String>,
    /// … and to be filtered and counted.
    terms: Vec<String>,
    currency: String,
    price_minor: i64,
    in_stock: bool,
    /// Microseconds since the epoch.
    create_time: i64,
}

impl Document {
    /// Of a product in a category with this path.
    pub(in crate::search) fn new(product: &Product, path: &str) -> Self {
        let details = &product.details;
        Self {
            id: product.id.to_string(),
            sku: product.sku.clone(),
            title: details.title.clone(),
            description: details.description.clone(),
            category_id: details.category_id.to_string(),
            categories: path.split_terminator('/').map(ToOwned::to_owned).collect(),
            texts: details.attributes.texts(),
            terms: details
                .attributes
                .terms()
                .iter()
                .map(|term| safe_term(term))
                .collect(),
            currency: details.price.currency.code().to_owned(),
            price_minor: details.price.minor,
            in_stock: product.in_stock,
            create_time: product.create_time.timestamp_micros(),
        }
    }
}

/// How the index searches.
pub(in crate::search) fn settings() -> Settings {
    Settings::new()
        // A sort that was asked for is the order; without one the rest decides.
        .with_ranking_rules([
            "sort",
            "words",
            "typo",
            "proximity",
            "attribute",
            "exactness",
        ])
        .with_searchable_attributes(["title", "sku", "categories", "texts", "description"])
        .with_filterable_attributes([
            "category_id",
            "categories",
            "terms",
            "currency",
            "price_minor",
            "in_stock",
        ])
        .with_sortable_attributes(["price_minor", "create_time"])
        .with_typo_tolerance(TypoToleranceSettings {
            enabled: Some(true),
            disable_on_attributes: Some(vec!["sku".to_owned()]),
            disable_on_words: Some(Vec::new()),
            min_word_size_for_typos: Some(MinWordSizeForTypos {
                one_typo: Some(ONE_TYPO_FROM),
                two_typos: Some(TWO_TYPOS_FROM),
            }),
            disable_on_numbers: None,
        })
        .with_pagination(PaginationSetting {
            max_total_hits: MAX_RESULTS as usize,
        })
        .with_faceting(FacetingSettings {
            max_values_per_facet: MAX_VALUES_PER_FACET,
            sort_facet_values_by: Some(BTreeMap::from([("*".to_owned(), FacetSortValue::Count)])),
        })
}

/// Characters with a meaning in filters, and what stands for them (private use,
/// so no text has them). Filters know escapes, but unescape twice.
const UNSAFE: [(char, char); 3] = [('\\', '\u{e000}'), ('"', '\u{e001}'), ('\'', '\u{e002}')];

/// A term as it stands in documents and filters.
pub(super) fn safe_term(term: &str) -> String {
    UNSAFE.iter().fold(term.to_owned(), |term, (plain, safe)| {
        term.replace(*plain, &safe.to_string())
    })
}

/// The term that stands in a document.
pub(super) fn plain_term(term: &str) -> String {
    UNSAFE.iter().fold(term.to_owned(), |term, (plain, safe)| {
        term.replace(*safe, &plain.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_survives_the_way_there_and_back() {
        let term = r#"size"with\odd'signs"#;
        let safe = safe_term(term);
        assert!(!safe.contains(['"', '\\', '\'']));
        assert_eq!(plain_term(&safe), term);
    }
}
