//! What svc-order knows of a product: its id, and what svc-catalog offers.

use std::collections::HashMap;

use svc_kit::money::Money;

svc_kit::id!(
    /// A product of svc-catalog.
    pub struct ProductId
);

/// What a product is called and costs at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name, for people.
    pub title: String,
    /// The price of one.
    pub price: Money,
    /// The most that one account may buy; 0: as much as it likes.
    pub purchase_limit: i32,
}

/// Offers by product; a product that is not in here cannot be bought.
pub type Offers = HashMap<ProductId, Offer>;

/// So many of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Of what.
    pub product_id: ProductId,
    /// How many.
    pub quantity: i32,
}

/// The most of one product in a cart or an order.
pub const MAX_QUANTITY: i32 = 999;
