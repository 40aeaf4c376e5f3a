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
