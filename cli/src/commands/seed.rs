//! Fills an empty shop with the products that come with Souk.

use std::fs;
use std::io;

use anyhow::{Context as _, bail};
use proto::souk::catalog::v1::ListProductsRequest;
use proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient;

use crate::import::{self, Currency, Format, Import, Source};
use crate::shop;
use crate::stack::{Process, Stack};

/// The tree of categories.
const CATEGORIES: &str = include_str!("../../seed/categories.jsonl");
/// The products.
const PRODUCTS: &str = include_str!("../../seed/products.jsonl");

/// Imports the seed when there is no product yet, or when the import was cut
/// off the last time.
pub(super) async fn fill_if_empty(stack: &Stack) -> anyhow::Result<()> {
    let begun = stack.dir().join("seed-begun");
    if !begun.exists() && has_products(stack).await? {
        return Ok(());
    }
    fs::write(&begun, "").with_context(|| begun.display().to_string())?;

    let channel = shop::connect(&stack.edge_url(), Some(&stack.ca_pem()?)).await?;
    let staff = stack.staff();
    let token = shop::log_in(channel.clone(), &staff.email, &staff.password).await?;
    import::create_categories(channel.clone(), &token, CATEGORIES.as_bytes()).await?;
    let import = Import {
        channel,
        token: shop::bearer(&token)?,
        currency: Currency::default(),
    };
    let source = Source {
        reader: Box::new(io::Cursor::new(PRODUCTS)),
        format: Format::Jsonl,
    };
    let report = import.run(source, |_| {}).await?;
    if let Some(bad) = report.bad.first() {
        bail!("the products that come with Souk are refused: {bad}");
    }
    println!(
        "  the shop is filled: {} products",
        report.created + report.updated + report.unchanged
    );
    fs::remove_file(&begun).with_context(|| begun.display().to_string())?;
    Ok(())
}

async fn has_products(stack: &Stack) -> anyhow::Result<bool> {
    // Past the edge, whose cache may be a minute behind.
    let channel = shop::connect(&stack.grpc_url(Process::Catalog)?, None).await?;
    let page = CatalogServiceClient::new(channel)
        .list_products(ListProductsRequest {
            page_size: 1,
            ..ListProductsRequest::default()
        })
        .await
        .map_err(|status| {
            anyhow::anyhow!("svc-catalog lists no products: {}", shop::said(&status))
        })?;
    Ok(!page.into_inner().products.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// Categories of the public data sets that Souk is tried with.
    const ROOTS: [&str; 20] = [
        "apparel",
        "footwear",
        "outdoors",
        "electronics",
        "beauty",
        "jewelry",
        "accessories",
        "housewares",
        "homedecor",
        "furniture",
        "seasonal",
        "floral",
        "books",
        "groceries",
        "instruments",
        "tools",
        "hot-dispensed",
        "cold-dispensed",
        "food-service",
        "salty-snacks",
    ];

    fn values(text: &str, field: &str) -> Vec<String> {
        text.lines()
            .map(|line| {
                let row: Value = serde_json::from_str(line).unwrap();
                row[field].as_str().unwrap_or_default().to_owned()
            })
            .collect()
    }

    #[test]
    fn every_parent_comes_before_its_children() {
        let mut seen = BTreeSet::new();
        for (id, parent) in values(CATEGORIES, "id")
            .into_iter()
            .zip(values(CATEGORIES, "parent"))
        {
            assert!(parent.is_empty() || seen.contains(&parent), "{id}");
            assert!(seen.insert(id), "twice");
        }
        assert!(ROOTS.iter().all(|root| seen.contains(*root)));
    }

    #[test]
    fn every_product_has_an_id_of_its_own_and_a_category_that_is_there() {
        let categories: BTreeSet<String> = values(CATEGORIES, "id").into_iter().collect();
        let ids = values(PRODUCTS, "id");
        assert!(ids.len() >= 240);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        for category in values(PRODUCTS, "category") {
            assert!(categories.contains(&category), "{category}");
        }
    }
}
