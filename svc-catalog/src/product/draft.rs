//! What somebody wants a product to be, and whether it may be that.

use svc_kit::money::{Money, MoneyError};

use super::{
    Details, MAX_DESCRIPTION_CHARS, MAX_IMAGE_CHARS, MAX_IMAGES, MAX_PRICE_MINOR,
    MAX_PURCHASE_LIMIT, MAX_SKU_CHARS, MAX_TITLE_CHARS, Mask, ProductId, image, mask::Field,
};
use crate::{
    attributes::{Attributes, AttributesError},
    category::CategoryId,
    violation::{Violation, at_most, no_nul},
};

/// A product as it came in; nothing is known about it yet.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Empty, or a UUID.
    pub id: String,
    /// May be empty.
    pub sku: String,
    /// The title.
    pub title: String,
    /// The description.
    pub description: String,
    /// The category.
    pub category_id: String,
    /// The price, as far as it could be read.
    pub price: Option<Result<Money, MoneyError>>,
    /// The attributes, as far as they could be read.
    pub attributes: Result<Attributes, AttributesError>,
    /// The images.
    pub images: Vec<String>,
    /// The most of it that one account may buy.
    pub purchase_limit: i32,
    /// What the caller believes the product to be; may be empty.
    pub etag: String,
}

/// The fields that an update changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    title: Option<String>,
    description: Option<String>,
    category_id: Option<CategoryId>,
    price: Option<Money>,
    attributes: Option<Attributes>,
    images: Option<Vec<String>>,
    purchase_limit: Option<i32>,
}

impl Draft {
    /// The id that was asked for.
    ///
    /// # Errors
    /// `ID_INVALID` when it is no UUID.
    pub fn id(&self) -> Result<Option<ProductId>, Violation> {
        if self.id.is_empty() {
            return Ok(None);
        }
        self.id
            .parse()
            .map(Some)
            .map_err(|_| Violation::new("id", "ID_INVALID", "must be a UUID"))
    }

    /// The stock-keeping unit that was asked for.
    ///
    /// # Errors
    /// `SKU_INVALID` when it is too long or holds control characters.
    pub fn sku(&self) -> Result<Option<String>, Violation> {
        let sku = self.sku.trim();
        at_most("sku", "SKU_INVALID", sku, MAX_SKU_CHARS)?;
        if sku.contains(char::is_control) {
            return Err(Violation::new(
                "sku",
                "SKU_INVALID",
                "must not contain control characters",
            ));
        }
        Ok((!sku.is_empty()).then(|| sku.to_owned()))
    }

    /// All that staff write.
    ///
    /// # Errors
    /// Every rule that is broken.
    pub fn details(&self) -> Result<Details, Vec<Violation>> {
        match (
            self.title(),
            self.description(),
            self.category_id(),
            self.price(),
            self.attributes(),
            self.images(),
            self.purchase_limit(),
        ) {
            (
                Ok(title),
                Ok(description),
                Ok(category_id),
                Ok(price),
                Ok(attributes),
                Ok(images),
                Ok(purchase_limit),
            ) => Ok(Details {
                title,
                description,
                category_id,
                price,
                attributes,
                images,
                purchase_limit,
            }),
            (title, description, category_id, price, attributes, images, purchase_limit) => Err([
                title.err(),
                price.err(),
                category_id.err(),
                description.err(),
                attributes.err(),
                images.err(),
                purchase_limit.err(),
            ]
            .into_iter()
            .flatten()
            .collect()),
        }
    }

    /// What a mask names, of this draft.
    ///
    /// # Errors
    /// Every rule that a named field breaks.
    pub fn patch(&self, mask: &Mask) -> Result<Patch, Vec<Violation>> {
        let mut patch = Patch::default();
        let mut violations = Vec::new();
        for field in mask.fields() {
            let outcome = match field {
                Field::Title => self.title().map(|title| patch.title = Some(title)),
                Field::Description => self
                    .description()
                    .map(|description| patch.description = Some(description)),
                Field::CategoryId => self.category_id().map(|id| patch.category_id = Some(id)),
                Field::Price => self.price().map(|price| patch.price = Some(price)),
                Field::Attributes => self
                    .attributes()
                    .map(|attributes| patch.attributes = Some(attributes)),
                Field::Images => self.images().map(|images| patch.images = Some(images)),
                Field::PurchaseLimit => self
                    .purchase_limit()
                    .map(|limit| patch.purchase_limit = Some(limit)),
            };
            violations.extend(outcome.err());
        }
        if violations.is_empty() {
            Ok(patch)
        } else {
            Err(violations)
        }
    }

    fn title(&self) -> Result<String, Violation> {
        let title = self.title.trim();
        if title.is_empty() {
            return Err(Violation::new("title", "NAME_MISSING", "must not be empty"));
        }
        no_nul("title", title)?;
        at_most("title", "TITLE_TOO_LONG", title, MAX_TITLE_CHARS)?;
        Ok(title.to_owned())
    }

    fn description(&self) -> Result<String, Violation> {
        let description = self.description.trim();
        no_nul("description", description)?;
        at_most(
            "description",
            "DESCRIPTION_TOO_LONG",
            description,
            MAX_DESCRIPTION_CHARS,
        )?;
        Ok(description.to_owned())
    }

    /// Whether there is such a category, the database knows.
    fn category_id(&self) -> Result<CategoryId, Violation> {
        self.category_id
            .parse()
            .map_err(|_| Violation::category_unknown("category_id"))
    }

    fn price(&self) -> Result<Money, Violation> {
        let invalid = |message: String| Violation::new("price", "PRICE_INVALID", message);
        let too_large = || {
            Violation::new(
                "price",
                "PRICE_TOO_LARGE",
                format!("must be 0 to {MAX_PRICE_MINOR} minor units"),
            )
        };
        match self.price {
            None => Err(invalid("must be given".to_owned())),
            Some(Err(MoneyError::Overflow)) => Err(too_large()),
            Some(Err(error)) => Err(invalid(format!("cannot be read: {error}"))),
            Some(Ok(price)) if price.is_negative() => Err(Violation::new(
                "price",
                "PRICE_NEGATIVE",
                "must not be negative",
            )),
            Some(Ok(price)) if price.minor > MAX_PRICE_MINOR => Err(too_large()),
            Some(Ok(price)) => Ok(price),
        }
    }

    fn attributes(&self) -> Result<Attributes, Violation> {
        self.attributes
            .clone()
            .map_err(|error| Violation::new("attributes", "ATTRIBUTES_INVALID", error.to_string()))
    }

    fn images(&self) -> Result<Vec<String>, Violation> {
        if self.images.len() > MAX_IMAGES {
            return Err(Violation::new(
                "images",
                "IMAGES_INVALID",
                format!("must not be more than {MAX_IMAGES}"),
            ));
        }
        for image in &self.images {
            at_most("images", "IMAGE_INVALID", image, MAX_IMAGE_CHARS)?;
            if !image::is_image(image) {
                return Err(Violation::new(
                    "images",
                    "IMAGE_INVALID",
                    "must be paths below /media/ or addresses that begin with https:// or http://",
                ));
            }
        }
        Ok(self.images.clone())
    }

    fn purchase_limit(&self) -> Result<i32, Violation> {
        if (0..=MAX_PURCHASE_LIMIT).contains(&self.purchase_limit) {
            Ok(self.purchase_limit)
        } else {
            Err(Violation::new(
                "purchase_limit",
                "PURCHASE_LIMIT_INVALID",
                format!("must be 0 to {MAX_PURCHASE_LIMIT}"),
            ))
        }
    }
}

impl Patch {
    /// The details with the patch on them.
    #[must_use]
    pub fn on(self, details: &Details) -> Details {
        let old = details.clone();
        Details {
            title: self.title.unwrap_or(old.title),
            description: self.description.unwrap_or(old.description),
            category_id: self.category_id.unwrap_or(old.category_id),
            price: self.price.unwrap_or(old.price),
            attributes: self.attributes.unwrap_or(old.attributes),
            images: self.images.unwrap_or(old.images),
            purchase_limit: self.purchase_limit.unwrap_or(old.purchase_limit),
        }
    }
}

impl Violation {
    /// The category is not there.
    pub fn category_unknown(field: &'static str) -> Self {
        Self::new(field, "CATEGORY_UNKNOWN", "names no category")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            id: String::new(),
            sku: String::new(),
            title: "Tent".to_owned(),
            description: String::new(),
            category_id: "outdoors".to_owned(),
            price: Some(Ok(Money::new("EUR".parse().unwrap(), 100))),
            attributes: Ok(Attributes::default()),
            images: Vec::new(),
            purchase_limit: 0,
            etag: String::new(),
        }
    }

    fn reasons(draft: &Draft) -> Vec<&'static str> {
        let violations = draft.details().unwrap_err();
        violations
            .iter()
            .map(|violation| violation.reason)
            .collect()
    }

    #[test]
    fn a_draft_that_keeps_the_rules_passes() {
        assert_eq!(draft().details().unwrap().title, "Tent");
    }

    #[test]
    fn each_broken_rule_is_named() {
        let eur = "EUR".parse().unwrap();
        let bad = Draft {
            title: " ".to_owned(),
            description: "x".repeat(MAX_DESCRIPTION_CHARS + 1),
            category_id: "no/slug".to_owned(),
            price: Some(Ok(Money::new(eur, -1))),
            images: vec![String::new()],
            ..draft()
        };
        assert_eq!(
            reasons(&bad),
            [
                "NAME_MISSING",
                "PRICE_NEGATIVE",
                "CATEGORY_UNKNOWN",
                "DESCRIPTION_TOO_LONG",
                "IMAGE_INVALID"
            ]
        );
        let long = Draft {
            title: "ä".repeat(MAX_TITLE_CHARS + 1),
            ..draft()
        };
        assert_eq!(reasons(&long), ["TITLE_TOO_LONG"]);
        let fine = Draft {
            title: "ä".repeat(MAX_TITLE_CHARS),
            ..draft()
        };
        assert!(fine.details().is_ok());
        let nul = Draft {
            description: "a\0b".to_owned(),
            ..draft()
        };
        assert_eq!(reasons(&nul), ["TEXT_INVALID"]);
        let too_fine = Draft {
            price: Some(Err(MoneyError::TooFine)),
            ..draft()
        };
        assert_eq!(reasons(&too_fine), ["PRICE_INVALID"]);
        let many = Draft {
            images: vec!["a.jpg".to_owned(); MAX_IMAGES + 1],
            ..draft()
        };
        assert_eq!(reasons(&many), ["IMAGES_INVALID"]);
        for purchase_limit in [-1, MAX_PURCHASE_LIMIT + 1] {
            let limited = Draft {
                purchase_limit,
                ..draft()
            };
            assert_eq!(reasons(&limited), ["PURCHASE_LIMIT_INVALID"]);
        }
    }

    #[test]
    fn a_price_has_a_limit() {
        let eur = "EUR".parse().unwrap();
        let costs = |price| Draft {
            price: Some(price),
            ..draft()
        };
        let most = Money::new(eur, MAX_PRICE_MINOR);
        assert_eq!(costs(Ok(most)).details().unwrap().price, most);
        for price in [
            Ok(Money::new(eur, MAX_PRICE_MINOR + 1)),
            Ok(Money::new(eur, i64::MAX)),
        ] {
            let violations = costs(price).details().unwrap_err();
            assert_eq!(
                (violations[0].field, violations[0].reason),
                ("price", "PRICE_TOO_LARGE")
            );
        }
    }

    #[test]
    fn a_mask_names_what_changes_and_nothing_else() {
        let new = Draft {
            title: "Big tent".to_owned(),
            price: None,
            ..draft()
        };
        let mask = Mask::new(&["title".to_owned()]).unwrap();
        let patch = new.patch(&mask).unwrap();
        let old = draft().details().unwrap();
        let changed = patch.on(&old);
        assert_eq!(changed.title, "Big tent");
        assert_eq!(changed.price, old.price);
    }
}
