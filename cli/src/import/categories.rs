//! Categories from a JSONL file: parents before children.

use std::io::BufRead;

use anyhow::{Context as _, bail};
use proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient;
use proto::souk::catalog::v1::{Category, CreateCategoryRequest};
use tonic::transport::Channel;
use tonic::{Code, Request};

use super::bad::Refusal;
use super::field::{Field, Fields, take};
use super::json_row;
use super::lines::{Content, Ends, Lines};
use super::slug::slug;
use crate::shop;

/// Makes the categories of a file that are not there yet; says how many it
/// holds. Each line has an `id` that is a slug, or a `name` it is made from,
/// and may have a `title` and a `parent`.
///
/// # Errors
/// At the first line that is no category or that the shop refuses.
pub async fn create_categories(
    channel: Channel,
    token: &str,
    reader: impl BufRead,
) -> anyhow::Result<u64> {
    let mut client = CatalogServiceClient::new(channel);
    let token = shop::bearer(token)?;
    let mut lines = Lines::new(reader, Ends::AtEachLine);
    let mut count = 0;
    while let Some(line) = lines.next().context("the categories")? {
        let at = format!("categories, line {}", line.number);
        let Content::Bytes(bytes) = line.content else {
            bail!("{at}: too long");
        };
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let category = json_row::parse(&bytes)
            .and_then(category)
            .map_err(|refusal| anyhow::anyhow!("{at}: {}: {}", refusal.reason, refusal.message))?;
        let mut request = Request::new(CreateCategoryRequest {
            category: Some(category),
        });
        request
            .metadata_mut()
            .insert("authorization", token.clone());
        match client.create_category(request).await {
            Ok(_) => {}
            // One of that name is there, with a title or place of its own.
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(status) => bail!("{at}: {}", shop::said(&status)),
        }
        count += 1;
    }
    Ok(count)
}

fn category(mut fields: Fields) -> Result<Category, Refusal> {
    let mut text = |names: &[&str]| match take(&mut fields, names) {
        Some(Field::Text(text)) => text,
        // A number is somebody's own key: the name says more.
        _ => String::new(),
    };
    let (id, parent) = (text(&["slug", "id"]), text(&["parent", "parent_id"]));
    let name = text(&["title", "name"]);
    let id = slug(if id.is_empty() { &name } else { &id });
    if id.is_empty() {
        return Err(Refusal::new("NAME_MISSING", "neither id nor name"));
    }
    Ok(Category {
        title: if name.is_empty() { id.clone() } else { name },
        id,
        parent_id: slug(&parent),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Category {
        category(json_row::parse(line.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_category_needs_only_a_name() {
        let category = read(r#"{"id": 17, "name": "hot dispensed", "image": "x.jpg"}"#);
        assert_eq!(category.id, "hot-dispensed");
        assert_eq!(category.title, "hot dispensed");
    }

    #[test]
    fn a_category_may_have_a_parent() {
        let category = read(r#"{"id": "tents", "title": "Tents", "parent": "outdoors"}"#);
        assert_eq!(category.parent_id, "outdoors");
        assert_eq!(category.title, "Tents");
    }
}
