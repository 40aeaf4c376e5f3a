//! Finds products by words, filters and facets.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use svc_kit::{error::Invalid, page};

use crate::{
    app::App,
    error::Error,
    product::{Product, ProductId},
    search::{Engine as _, Facet, Filter, MAX_RESULTS, Query, Sort},
    store::products,
};

/// Products of a page, unless asked otherwise.
pub const DEFAULT_PAGE: u32 = 20;
/// The most products of a page.
pub const MAX_PAGE: u32 = 100;

/// What to find.
#[derive(Debug, Clone, Default)]
pub struct SearchProducts {
    /// As it was typed.
    pub text: String,
    /// What all must be.
    pub filter: Filter,
    /// Their order.
    pub sort: Sort,
    /// 0 for the default.
    pub page_size: i32,
    /// Empty for the first page.
    pub page_token: String,
}

/// A page of results.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// In order.
    pub products: Vec<Product>,
    /// Empty when there is no next page.
    pub next_page_token: String,
    /// How many match.
    pub total: u32,
    /// How they spread.
    pub facets: Vec<Facet>,
}

/// Where a page begins. Engines number their results alike, so a token is good
/// for either.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    offset: u32,
}

/// Searches.
///
/// # Errors
/// `Invalid` for a bad page; `Unavailable` when no engine can answer.
#[tracing::instrument(name = "catalog.search_products", skip_all)]
pub async fn search_products(app: &App, command: SearchProducts) -> Result<Results, Error> {
    let limit = page::size(command.page_size, DEFAULT_PAGE, MAX_PAGE)?;
    let offset = page::decode::<Position>(&command.page_token)?.map_or(0, |page| page.offset);
    if offset >= MAX_RESULTS {
        return Err(Invalid::new("page_token", "is not a token of this list").into());
    }
    let found = app
        .search
        .search(&Query {
            text: command.text,
            filter: command.filter,
            sort: command.sort,
            offset,
            limit: limit.min(MAX_RESULTS - offset),
        })
        .await?;
    let seen = offset.saturating_add(u32::try_from(found.ids.len()).unwrap_or(u32::MAX));
    let more = !found.ids.is_empty() && seen < found.total;
    Ok(Results {
        products: in_order(app, &found.ids).await?,
        next_page_token: if more {
            page::encode(&Position { offset: seen })
        } else {
            String::new()
        },
        total: found.total,
        facets: found.facets,
    })
}

/// The products as the database has them; an index may name one that it has
/// not.
async fn in_order(app: &App, ids: &[ProductId]) -> Result<Vec<Product>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut by_id: HashMap<ProductId, Product> = products::get_all(app.db.reader(), ids)
        .await?
        .into_iter()
        .map(|product| (product.id, product))
        .collect();
    Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
}
