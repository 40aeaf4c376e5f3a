//! Purchase limits: the most of one product that one account may buy, in all
//! its orders that are not cancelled. What was bought is counted anew for each
//! order of a product with a limit: an order that is cancelled gives its part
//! back by being cancelled, and one that was placed before there was a limit
//! counts, too. Orders of other products pay nothing for this.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::{
    error::Error,
    order::Order,
    product::{Offers, ProductId},
    store::purchases,
};

/// So many of a product that has a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// Of what.
    pub product_id: ProductId,
    /// How many the order has.
    pub quantity: i64,
    /// How many the account may have; more than none.
    pub limit: i64,
}

/// An account may not buy that many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only {left} more of product {product_id} can be bought; the limit is {limit}")]
pub struct LimitExceeded {
    /// Of what.
    pub product_id: ProductId,
    /// How many an account may have.
    pub limit: i64,
    /// How many this account still may buy.
    pub left: i64,
}

/// What an order has of products with a limit, in the order of their ids: the
/// order in which they are claimed.
pub fn limited(order: &Order, offers: &Offers) -> Vec<Limited> {
    let mut limited: Vec<Limited> = order
        .lines
        .iter()
        .filter_map(|line| {
            let limit = offers.get(&line.product_id)?.purchase_limit;
            (limit > 0).then(|| Limited {
                product_id: line.product_id,
                quantity: line.quantity.into(),
                limit: limit.into(),
            })
        })
        .collect();
    limited.sort_unstable_by_key(|limited| limited.product_id);
    limited
}

/// Claims what an order has of products with a limit. The order stands in the
/// tables already; its transaction must not commit when this fails.
///
/// # Errors
/// `PURCHASE_LIMIT_EXCEEDED`.
pub async fn claim(tx: &mut PgConnection, order: &Order, limited: &[Limited]) -> Result<(), Error> {
    if limited.is_empty() {
        return Ok(());
    }
    let products: Vec<ProductId> = limited.iter().map(|limited| limited.product_id).collect();
    // First the turn, then the count: what the one before has placed is seen.
    purchases::take_turn(tx, order.account_id, &products, order.created_at).await?;
    let bought = purchases::count(tx, order.account_id, &products).await?;
    check(limited, &bought)?;
    Ok(())
}

/// `bought` has this order in it.
fn check(limited: &[Limited], bought: &HashMap<ProductId, i64>) -> Result<(), LimitExceeded> {
    for Limited {
        product_id,
        quantity,
        limit,
    } in limited
    {
        let bought = bought.get(product_id).copied().unwrap_or(*quantity);
        if bought > *limit {
            return Err(LimitExceeded {
                product_id: *product_id,
                limit: *limit,
                left: (limit - (bought - quantity)).max(0),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_left_is_told_and_is_never_less_than_nothing() {
        let product_id = ProductId(Uuid::from_u128(1));
        let left = |limit, before: i64, quantity| {
            let limited = Limited {
                product_id,
                quantity,
                limit,
            };
            check(&[limited], &[(product_id, before + quantity)].into())
                .map_err(|refused| refused.left)
        };
        assert_eq!(left(3, 0, 3), Ok(()));
        assert_eq!(left(3, 0, 4), Err(3));
        assert_eq!(left(3, 2, 2), Err(1));
        // The limit was lowered since.
        assert_eq!(left(3, 5, 1), Err(0));
    }
}
