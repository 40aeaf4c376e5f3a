//! Messages to commands, and nouns to messages. What staff alone ask for is in
//! [`staff`].

mod staff;

pub(super) use staff::{for_staff, review};

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::souk::{
    order::v1 as pb,
    r#type::v1::{Address as WireAddress, Money as WireMoney},
};
use sha2::{Digest as _, Sha256};
use svc_kit::{error::Invalid, id, money::Money, page};

use crate::{
    address::Address,
    cart::{PricedCart, PricedItem},
    list_orders::{DEFAULT_PAGE_SIZE, ListOrders, MAX_PAGE_SIZE},
    order::{CancelReason, Fingerprint, Line, Order, PaymentToken, RequestKey, Status, placement},
    place_order::PlaceOrder,
    product::{Item, MAX_QUANTITY},
    set_cart_item::SetCartItem,
};

pub(super) fn expected_version(version: i64) -> Result<i64, Invalid> {
    if version < 0 {
        Err(Invalid::new("expected_version", "must not be negative"))
    } else {
        Ok(version)
    }
}

impl TryFrom<pb::SetCartItemRequest> for SetCartItem {
    type Error = Invalid;

    fn try_from(request: pb::SetCartItemRequest) -> Result<Self, Invalid> {
        if !(0..=MAX_QUANTITY).contains(&request.quantity) {
            return Err(Invalid::new(
                "quantity",
                format!("must be 0 to {MAX_QUANTITY}"),
            ));
        }
        let product_id = id::parse("product_id", &request.product_id)?;
        Ok(Self {
            item: Item {
                product_id,
                quantity: request.quantity,
            },
            expected_version: expected_version(request.expected_version)?,
        })
    }
}

impl TryFrom<pb::PlaceOrderRequest> for PlaceOrder {
    type Error = Invalid;

    fn try_from(request: pb::PlaceOrderRequest) -> Result<Self, Invalid> {
        let (request, fingerprint) = fingerprinted(request);
        let request_id = id::parse("request_id", &request.request_id)?;
        let items: Vec<Item> = request.items.iter().map(item).collect::<Result<_, _>>()?;
        let address = request.shipping_address;
        let address = address.ok_or_else(|| Invalid::new("shipping_address", "must be set"))?;
        Ok(Self {
            request: RequestKey {
                id: request_id,
                fingerprint,
            },
            items: placement::merged(&items)?,
            shipping_address: address_of(address).checked("shipping_address")?,
            payment_token: PaymentToken::parse("payment_token", request.payment_token)?,
            expected_total: request
                .expected_total
                .as_ref()
                .map(expected_total)
                .transpose()?,
            billing_country: billing_country(request.billing_country)?,
        })
    }
}

/// The request with its fingerprint: SHA-256 over what was understood of it,
/// encoded again without the request's id. Unknown fields are dropped by the
/// decoding, so they make no difference.
fn fingerprinted(mut request: pb::PlaceOrderRequest) -> (pb::PlaceOrderRequest, Fingerprint) {
    let id = std::mem::take(&mut request.request_id);
    let fingerprint = fingerprint(&request);
    request.request_id = id;
    (request, fingerprint)
}

fn fingerprint(request_without_id: &impl prost::Message) -> Fingerprint {
    Fingerprint(Sha256::digest(request_without_id.encode_to_vec()).into())
}

fn item(item: &pb::OrderItem) -> Result<Item, Invalid> {
    Ok(Item {
        product_id: id::parse("items.product_id", &item.product_id)?,
        quantity: item.quantity,
    })
}

fn expected_total(wire: &WireMoney) -> Result<Money, Invalid> {
    amount("expected_total", wire)
}

fn billing_country(code: String) -> Result<Option<String>, Invalid> {
    if code.is_empty() {
        return Ok(None);
    }
    if code.len() != 2 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Invalid::new(
            "billing_country",
            "must be two upper-case letters of ISO 3166-1",
        ));
    }
    Ok(Some(code))
}

fn amount(field: &str, wire: &WireMoney) -> Result<Money, Invalid> {
    Money::try_from(wire).map_err(|error| Invalid::new(field, format!("is no amount: {error}")))
}

fn address_of(wire: WireAddress) -> Address {
    Address {
        recipient: wire.recipient,
        address_lines: wire.address_lines,
        locality: wire.locality,
        administrative_area: wire.administrative_area,
        postal_code: wire.postal_code,
        region_code: wire.region_code,
    }
}

impl TryFrom<pb::ListOrdersRequest> for ListOrders {
    type Error = Invalid;

    fn try_from(request: pb::ListOrdersRequest) -> Result<Self, Invalid> {
        Ok(Self {
            page_size: page::size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)?,
            after: page::decode(&request.page_token)?,
        })
    }
}

impl From<PricedCart> for pb::Cart {
    fn from(cart: PricedCart) -> Self {
        Self {
            items: cart.items.into_iter().map(pb::CartItem::from).collect(),
            version: cart.version,
            total: cart.total.map(WireMoney::from),
        }
    }
}

impl From<PricedItem> for pb::CartItem {
    fn from(PricedItem { item, offer }: PricedItem) -> Self {
        Self {
            product_id: item.product_id.to_string(),
            quantity: item.quantity,
            unavailable: offer.is_none(),
            unit_price: offer.as_ref().map(|offer| offer.price.into()),
            title: offer.map(|offer| offer.title).unwrap_or_default(),
        }
    }
}

impl From<Order> for pb::Order {
    fn from(order: Order) -> Self {
        let reason = order.cancel_reason.as_ref().map(CancelReason::as_str);
        let (carrier, tracking_code) = order
            .shipment
            .map(|shipment| (shipment.carrier, shipment.tracking_code))
            .unwrap_or_default();
        Self {
            id: order.id.to_string(),
            status: pb::OrderStatus::from(order.status).into(),
            cancel_reason: reason.unwrap_or_default().to_owned(),
            lines: order.lines.into_iter().map(pb::OrderLine::from).collect(),
            total: Some(order.total.into()),
            shipping_address: Some(wire_address(order.shipping_address)),
            refunded: order.refunded,
            refunded_total: Some(order.refunded_total.into()),
            review_state: pb::ReviewState::Unspecified.into(),
            carrier,
            tracking_code,
            create_time: Some(timestamp(order.created_at)),
            update_time: Some(timestamp(order.updated_at)),
        }
    }
}

impl From<Line> for pb::OrderLine {
    fn from(line: Line) -> Self {
        Self {
            product_id: line.product_id.to_string(),
            title: line.title,
            quantity: line.quantity,
            unit_price: Some(line.unit_price.into()),
            returned_quantity: line.returned,
        }
    }
}

impl From<Status> for pb::OrderStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Reserved => Self::Reserved,
            Status::Confirmed => Self::Confirmed,
            Status::Shipped => Self::Shipped,
            Status::Delivered => Self::Delivered,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

fn wire_address(address: Address) -> WireAddress {
    WireAddress {
        recipient: address.recipient,
        address_lines: address.address_lines,
        locality: address.locality,
        administrative_area: address.administrative_area,
        postal_code: address.postal_code,
        region_code: address.region_code,
    }
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        // A leap second counts on beyond what a timestamp may say.
        nanos: i32::try_from(at.timestamp_subsec_nanos())
            .unwrap_or_default()
            .min(999_999_999),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> pb::PlaceOrderRequest {
        pb::PlaceOrderRequest {
            request_id: "01920000-0000-7000-8000-000000000000".to_owned(),
            items: vec![pb::OrderItem {
                product_id: "01920000-0000-7000-8000-000000000001".to_owned(),
                quantity: 2,
            }],
            shipping_address: Some(WireAddress {
                recipient: "Ada".to_owned(),
                address_lines: vec!["Dorset Street 1".to_owned()],
                locality: "London".to_owned(),
                region_code: "GB".to_owned(),
                ..WireAddress::default()
            }),
            payment_token: "tok_ok".to_owned(),
            expected_total: None,
            billing_country: String::new(),
        }
    }

    fn refused(change: impl FnOnce(&mut pb::PlaceOrderRequest)) -> String {
        let mut request = request();
        change(&mut request);
        PlaceOrder::try_from(request).unwrap_err().field
    }

    #[test]
    fn a_fingerprint_tells_the_content_and_not_the_id() {
        let of = |request: pb::PlaceOrderRequest| {
            PlaceOrder::try_from(request).unwrap().request.fingerprint
        };
        let first = of(request());
        let other_id = "01920000-0000-7000-8000-000000000009".to_owned();
        assert_eq!(
            first,
            of(pb::PlaceOrderRequest {
                request_id: other_id,
                ..request()
            })
        );
        assert_ne!(
            first,
            of(pb::PlaceOrderRequest {
                payment_token: "tok_no".to_owned(),
                ..request()
            })
        );
        assert_ne!(
            first,
            of(pb::PlaceOrderRequest {
                items: vec![],
                ..request()
            })
        );
    }

    #[test]
    fn the_field_that_cannot_be_used_is_named() {
        assert_eq!(refused(|r| r.request_id = "1".to_owned()), "request_id");
        assert_eq!(refused(|r| r.request_id.clear()), "request_id");
        assert_eq!(
            refused(|r| r.items[0].product_id.clear()),
            "items.product_id"
        );
        assert_eq!(refused(|r| r.items[0].quantity = 0), "items.quantity");
        assert_eq!(refused(|r| r.items[0].quantity = 1000), "items.quantity");
        assert_eq!(refused(|r| r.shipping_address = None), "shipping_address");
        assert_eq!(
            refused(|r| r.billing_country = "gb".to_owned()),
            "billing_country"
        );
        assert_eq!(refused(|r| r.payment_token.clear()), "payment_token");
        assert_eq!(
            refused(|r| r.payment_token = "x".repeat(201)),
            "payment_token"
        );
        assert_eq!(
            refused(|r| r.expected_total = Some(WireMoney {
                currency_code: "??".into(),
                units: 1,
                nanos: 0
            })),
            "expected_total"
        );
    }
}
