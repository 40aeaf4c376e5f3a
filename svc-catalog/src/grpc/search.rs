//! Questions and answers of search.

use proto::souk::{catalog::v1 as pb, r#type::v1::Money as WireMoney};
use svc_kit::{error::Invalid, money::Money};

use super::convert;
use crate::{
    search::{Facet, Filter, PriceRange, Sort, Suggestion},
    search_products::{Results, SearchProducts},
};

/// The most attributes that are filtered by.
const MAX_ATTRIBUTE_FILTERS: usize = 10;
/// The most values of each.
const MAX_FILTER_VALUES: usize = 50;
/// The longest name or value, in characters.
const MAX_FILTER_CHARS: usize = 100;

impl TryFrom<pb::SearchProductsRequest> for SearchProducts {
    type Error = Invalid;

    fn try_from(request: pb::SearchProductsRequest) -> Result<Self, Invalid> {
        let sort = match request.sort() {
            pb::SearchSort::Unspecified | pb::SearchSort::Relevance => Sort::Relevance,
            pb::SearchSort::PriceAsc => Sort::PriceAsc,
            pb::SearchSort::PriceDesc => Sort::PriceDesc,
            pb::SearchSort::Newest => Sort::Newest,
        };
        Ok(Self {
            text: request.query,
            filter: filter(request.filter.unwrap_or_default())?,
            sort,
            page_size: request.page_size,
            page_token: request.page_token,
        })
    }
}

impl From<Results> for pb::SearchProductsResponse {
    fn from(results: Results) -> Self {
        Self {
            products: results.products.iter().map(convert::product).collect(),
            next_page_token: results.next_page_token,
            total_size: count(results.total),
            facets: results.facets.into_iter().map(facet).collect(),
        }
    }
}

pub(super) fn suggestion(suggestion: Suggestion) -> pb::Suggestion {
    pb::Suggestion {
        text: suggestion.text,
        product_id: suggestion.product_id.to_string(),
    }
}

fn facet(facet: Facet) -> pb::Facet {
    pb::Facet {
        name: facet.name,
        values: facet
            .values
            .into_iter()
            .map(|(value, matches)| pb::FacetValue {
                value,
                count: count(matches),
            })
            .collect(),
    }
}

fn filter(filter: pb::SearchFilter) -> Result<Filter, Invalid> {
    Ok(Filter {
        category_id: convert::category_id("filter.category_id", &filter.category_id)?,
        price: price_range(filter.min_price.as_ref(), filter.max_price.as_ref())?,
        in_stock_only: filter.in_stock_only,
        attributes: attributes(filter.attributes)?,
    })
}

fn price_range(
    min: Option<&WireMoney>,
    max: Option<&WireMoney>,
) -> Result<Option<PriceRange>, Invalid> {
    let read = |field: &str, price: Option<&WireMoney>| {
        price
            .map(Money::try_from)
            .transpose()
            .map_err(|error| Invalid::new(field, format!("cannot be read: {error}")))
    };
    let min = read("filter.min_price", min)?;
    let max = read("filter.max_price", max)?;
    let Some(either) = min.or(max) else {
        return Ok(None);
    };
    if max.is_some_and(|max| max.currency != either.currency) {
        return Err(Invalid::new(
            "filter.max_price",
            "must be of the same currency",
        ));
    }
    Ok(Some(PriceRange {
        currency: either.currency,
        min: min.map(|price| price.minor),
        max: max.map(|price| price.minor),
    }))
}

/// Each name once; filters of one name must all hold, so their values are what
/// they share.
fn attributes(filters: Vec<pb::AttributeFilter>) -> Result<Vec<(String, Vec<String>)>, Invalid> {
    const FIELD: &str = "filter.attributes";
    if filters.len() > MAX_ATTRIBUTE_FILTERS {
        return Err(Invalid::new(
            FIELD,
            format!("must not be more than {MAX_ATTRIBUTE_FILTERS}"),
        ));
    }
    let mut attributes: Vec<(String, Vec<String>)> = Vec::with_capacity(filters.len());
    for filter in filters {
        let fits = |text: &String| {
            !text.contains(char::is_control) && text.chars().count() <= MAX_FILTER_CHARS
        };
        if filter.name.is_empty() || filter.values.is_empty() {
            return Err(Invalid::new(FIELD, "need a name and values"));
        }
        if filter.values.len() > MAX_FILTER_VALUES
            || !fits(&filter.name)
            || !filter.values.iter().all(fits)
        {
            return Err(Invalid::new(FIELD, "have too many or too long values"));
        }
        match attributes.iter_mut().find(|(name, _)| *name == filter.name) {
            Some((_, values)) => values.retain(|value| filter.values.contains(value)),
            None => attributes.push((filter.name, filter.values)),
        }
    }
    Ok(attributes)
}

fn count(matches: u32) -> i32 {
    i32::try_from(matches).unwrap_or(i32::MAX)
}
