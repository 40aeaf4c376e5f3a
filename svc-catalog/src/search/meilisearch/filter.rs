//! Filters in the search server's language.
//! <https://www.meilisearch.com/docs/capabilities/filtering_sorting_faceting/advanced/filter_expression_syntax>

use super::document::safe_term;
use crate::{attributes::term, search::Filter};

/// The expression; empty when everything passes.
pub(super) fn of(filter: &Filter) -> String {
    let mut conditions = Vec::new();
    if let Some(category) = &filter.category_id {
        conditions.push(format!("categories = \"{category}\""));
    }
    if let Some(price) = &filter.price {
        conditions.push(format!("currency = \"{}\"", price.currency));
        conditions.extend(price.min.map(|min| format!("price_minor >= {min}")));
        conditions.extend(price.max.map(|max| format!("price_minor <= {max}")));
    }
    if filter.in_stock_only {
        conditions.push("in_stock = true".to_owned());
    }
    for (name, values) in &filter.attributes {
        let terms: Vec<String> = values
            .iter()
            .map(|value| format!("\"{}\"", safe_term(&term(name, value))))
            .collect();
        conditions.push(format!("terms IN [{}]", terms.join(", ")));
    }
    conditions.join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::PriceRange;

    #[test]
    fn all_conditions_must_hold() {
        let filter = Filter {
            category_id: Some("outdoors".parse().unwrap()),
            price: Some(PriceRange {
                currency: "EUR".parse().unwrap(),
                min: Some(100),
                max: None,
            }),
            in_stock_only: true,
            attributes: vec![("size".to_owned(), vec!["L".to_owned(), "5\"".to_owned()])],
        };
        assert_eq!(
            of(&filter),
            "categories = \"outdoors\" AND currency = \"EUR\" AND price_minor >= 100 \
             AND in_stock = true AND terms IN [\"size\u{1f}L\", \"size\u{1f}5\u{e001}\"]"
        );
        assert_eq!(of(&Filter::default()), "");
    }
}
