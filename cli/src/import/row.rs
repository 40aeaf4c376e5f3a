//! A product from the fields of a row: which field means what, and what is
//! refused before it is sent. Whether its category exists, only the shop
//! knows.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use proto::souk::catalog::v1::{ImportRow, Product};
use uuid::Uuid;

use super::bad::Refusal;
use super::field::{Field, Fields, take};
use super::money::Currency;
use super::slug::slug;

/// The longest title, in characters.
const TITLE_CHARS: usize = 300;

/// Makes a product of a row's fields. `currency` is for rows that name none.
pub(super) fn product(
    line: u64,
    mut fields: Fields,
    currency: Currency,
) -> Result<ImportRow, Refusal> {
    if fields.iter().any(|(_, field)| field.holds_nul()) {
        return Err(Refusal::new("TEXT_INVALID", "a NUL character in the text"));
    }
    let title = text(&mut fields, &["name", "title"])?.unwrap_or_default();
    let title = title.trim();
    if title.is_empty() {
        return Err(Refusal::new("NAME_MISSING", "neither name nor title"));
    }
    let length = title.chars().count();
    if length > TITLE_CHARS {
        return Err(Refusal::new(
            "TITLE_TOO_LONG",
            format!("a title of {length} characters; {TITLE_CHARS} is the most"),
        ));
    }
    let (id, sku) = identity(&mut fields)?;
    let currency = match text(&mut fields, &["currency"])? {
        Some(code) => code
            .parse()
            .map_err(|why: String| Refusal::new("CURRENCY_UNKNOWN", why))?,
        None => currency,
    };
    let price = text(&mut fields, &["price"])?
        .ok_or_else(|| Refusal::new("PRICE_MISSING", "no price"))
        .and_then(|price| currency.price(&price))?;
    let category = text(&mut fields, &["category"])?.unwrap_or_default();
    let category_id = slug(&category);
    if category_id.is_empty() {
        return Err(Refusal::new("CATEGORY_MISSING", "no category"));
    }
    let product = Product {
        id,
        sku,
        title: title.to_owned(),
        description: text(&mut fields, &["description"])?.unwrap_or_default(),
        category_id,
        price: Some(price),
        images: images(&mut fields)?,
        purchase_limit: purchase_limit(&mut fields)?,
        ..Product::default()
    };
    let initial_stock = stock(&mut fields)?;
    Ok(ImportRow {
        line: i64::try_from(line).unwrap_or(i64::MAX),
        product: Some(Product {
            attributes: Some(attributes(fields)?),
            ..product
        }),
        initial_stock,
    })
}

/// The id and the sku. An id that is no UUID is somebody's own number of the
/// product, and so its sku.
fn identity(fields: &mut Fields) -> Result<(String, String), Refusal> {
    let id = text(fields, &["id"])?.unwrap_or_default();
    let sku = text(fields, &["sku"])?.unwrap_or_default();
    match (Uuid::try_parse(&id), sku.is_empty()) {
        (Ok(id), _) => Ok((id.to_string(), sku)),
        (Err(_), false) if id.is_empty() => Ok((id, sku)),
        (Err(_), true) if !id.is_empty() => Ok((String::new(), id)),
        (Err(_), true) => Err(Refusal::new("ID_MISSING", "neither id nor sku")),
        (Err(_), false) => Err(Refusal::new(
            "ID_INVALID",
            format!("the id {id:?} is no UUID, and there is a sku besides"),
        )),
    }
}

fn text(fields: &mut Fields, names: &[&'static str]) -> Result<Option<String>, Refusal> {
    match take(fields, names) {
        None => Ok(None),
        Some(Field::Text(text) | Field::Number(text)) => Ok(Some(text)),
        Some(other) => Err(Refusal::new(
            "FIELD_INVALID",
            format!("{} is {}", names.join(" or "), other.what()),
        )),
    }
}

fn stock(fields: &mut Fields) -> Result<i64, Refusal> {
    let Some(text) = text(fields, &["current_stock", "stock"])? else {
        return Ok(0);
    };
    match text.trim().parse() {
        Ok(count) if count >= 0 => Ok(count),
        _ => Err(Refusal::new(
            "STOCK_INVALID",
            format!("no number of pieces: {text:?}"),
        )),
    }
}

fn purchase_limit(fields: &mut Fields) -> Result<i32, Refusal> {
    let Some(text) = text(fields, &["purchase_limit"])? else {
        return Ok(0);
    };
    match text.trim().parse() {
        Ok(limit) if limit >= 0 => Ok(limit),
        _ => Err(Refusal::new(
            "PURCHASE_LIMIT_INVALID",
            format!("no number of pieces: {text:?}"),
        )),
    }
}

fn images(fields: &mut Fields) -> Result<Vec<String>, Refusal> {
    let mut images = Vec::new();
    for name in ["image", "images"] {
        match take(fields, &[name]) {
            None => {}
            Some(Field::Text(one)) => images.push(one),
            Some(Field::List(several)) => images.extend(several),
            Some(other) => {
                return Err(Refusal::new(
                    "FIELD_INVALID",
                    format!("{name} is {}", other.what()),
                ));
            }
        }
    }
    Ok(images)
}

fn attributes(fields: Fields) -> Result<Struct, Refusal> {
    let string = |text: String| Value {
        kind: Some(Kind::StringValue(text)),
    };
    let mut attributes = BTreeMap::new();
    for (name, field) in fields {
        let value = match field {
            Field::Text(text) => string(text),
            Field::Bool(yes) => Value {
                kind: Some(Kind::BoolValue(yes)),
            },
            Field::List(list) => Value {
                kind: Some(Kind::ListValue(ListValue {
                    values: list.into_iter().map(string).collect(),
                })),
            },
            Field::Number(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Value {
                    kind: Some(Kind::NumberValue(number)),
                },
                _ => {
                    return Err(Refusal::new(
                        "FIELD_INVALID",
                        format!("{name} is a number beyond all limits"),
                    ));
                }
            },
            Field::Unfit(what) => {
                return Err(Refusal::new("FIELD_INVALID", format!("{name} is {what}")));
            }
        };
        attributes.insert(name, value);
    }
    Ok(Struct { fields: attributes })
}

impl Field {
    const fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Number(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Unfit(what) => what,
        }
    }

    fn holds_nul(&self) -> bool {
        match self {
            Self::Text(text) => text.contains('\0'),
            Self::List(list) => list.iter().any(|text| text.contains('\0')),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json_row;
    use super::*;

    const ID: &str = "6579c22f-be2b-444c-a52b-0116dd82df6c";

    fn read(line: &str) -> Result<ImportRow, &'static str> {
        json_row::parse(line.as_bytes())
            .and_then(|fields| product(7, fields, Currency::default()))
            .map_err(|refusal| refusal.reason)
    }

    fn with(more: &str) -> Result<ImportRow, &'static str> {
        read(&format!(
            r#"{{"id": "{ID}", "name": "Tent", "category": "hot dispensed", "price": 9.99{more}}}"#
        ))
    }

    #[test]
    fn a_row_becomes_a_product() {
        let row = with(
            r#", "current_stock": 15, "purchase_limit": 3, "image": "a.jpg", "style": "dome", "promoted": true,
               "weight": 2.5, "aliases": ["x", "y"], "link": null"#,
        )
        .unwrap();
        assert_eq!((row.line, row.initial_stock), (7, 15));
        let product = row.product.unwrap();
        assert_eq!(product.id, ID);
        assert_eq!(product.category_id, "hot-dispensed");
        assert_eq!(product.purchase_limit, 3);
        assert_eq!(product.images, ["a.jpg"]);
        let price = product.price.unwrap();
        assert_eq!((price.units, price.nanos), (9, 990_000_000));
        let attributes = product.attributes.unwrap().fields;
        let names: Vec<&str> = attributes.keys().map(String::as_str).collect();
        assert_eq!(names, ["aliases", "promoted", "style", "weight"]);
    }

    #[test]
    fn bad_rows_are_refused_each_with_its_reason() {
        let long = format!(r#"{{"name": "{}"}}"#, "x".repeat(1_000_000));
        for (line, reason) in [
            ("{", "NOT_JSON"),
            (r#"{"category": "books", "price": 1}"#, "NAME_MISSING"),
            (
                r#"{"name": " ", "category": "books", "price": 1}"#,
                "NAME_MISSING",
            ),
            (&long, "TITLE_TOO_LONG"),
            (
                r#"{"name": "x", "category": "books", "price": 1}"#,
                "ID_MISSING",
            ),
            (
                r#"{"name": "x", "sku": "1", "category": "books"}"#,
                "PRICE_MISSING",
            ),
            (
                r#"{"name": "x", "sku": "1", "price": "1"}"#,
                "CATEGORY_MISSING",
            ),
            (r#"{"name": "x", "sku": "1", "id": "2"}"#, "ID_INVALID"),
            (r#"{"name": ["x"], "sku": "1"}"#, "FIELD_INVALID"),
            (r#"{"name": "a\u0000b", "sku": "1"}"#, "TEXT_INVALID"),
        ] {
            assert_eq!(read(line), Err(reason), "{line:.80}");
        }
        for (more, reason) in [
            (r#", "price": -5"#, "PRICE_NEGATIVE"),
            (r#", "price": 1.999"#, "PRICE_TOO_FINE"),
            (r#", "price": "cheap""#, "PRICE_INVALID"),
            (r#", "currency": "XYZ""#, "CURRENCY_UNKNOWN"),
            (r#", "stock": -1"#, "STOCK_INVALID"),
            (r#", "stock": 1.5"#, "STOCK_INVALID"),
            (r#", "size": {"w": 1}"#, "FIELD_INVALID"),
            (r#", "sizes": [1, 2]"#, "FIELD_INVALID"),
            (r#", "huge": 1e999"#, "FIELD_INVALID"),
        ] {
            assert_eq!(with(more), Err(reason), "{more}");
        }
    }

    #[test]
    fn a_number_of_ones_own_is_the_sku() {
        let row = read(r#"{"id": 4711, "name": "x", "category": "books", "price": "1"}"#).unwrap();
        let product = row.product.unwrap();
        assert_eq!((product.id.as_str(), product.sku.as_str()), ("", "4711"));
    }
}
