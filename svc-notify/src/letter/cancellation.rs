//! Why an order was cancelled, and what becomes of the money, in words.

/// Ends the sentence "your order is cancelled: ".
pub(super) fn reason(code: &str) -> &'static str {
    match code {
        "PAYMENT_DECLINED" => "your card was declined",
        "PAYMENT_TOKEN_INVALID" => "your means of payment could not be used",
        "CUSTOMER_CANCELLED" => "as you asked",
        "CHECKOUT_TIMEOUT" => "it could not be completed in time",
        _ if code.starts_with("STOCK_") => "something that you ordered is out of stock",
        _ if code.starts_with("PAYMENT_") => "it could not be paid",
        _ => "it could not be completed",
    }
}

/// What becomes of the money.
pub(super) fn money(code: &str, was_confirmed: bool, total: &str) -> String {
    let never_charged = code.starts_with("PAYMENT_") || code.starts_with("STOCK_");
    if was_confirmed {
        format!("The {total} that you paid are on their way back to you.")
    } else if never_charged {
        "You have not been charged.".to_owned()
    } else {
        "If you have been charged, all of it goes back to you by itself.".to_owned()
    }
}
