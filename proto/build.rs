//! Compiles the contracts. Pure Rust: no `protoc` is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: &[&str] = &[
    "souk/type/v1/money.proto",
    "souk/type/v1/address.proto",
    "souk/policy/v1/policy.proto",
    "souk/event/v1/catalog.proto",
    "souk/event/v1/edge.proto",
    "souk/event/v1/identity.proto",
    "souk/event/v1/order.proto",
    "souk/event/v1/payment.proto",
    "souk/identity/v1/identity_service.proto",
    "souk/catalog/v1/catalog_service.proto",
    "souk/order/v1/order_service.proto",
    "souk/payment/v1/payment_service.proto",
    "souk/notify/v1/notify_service.proto",
];

#[expect(
    clippy::disallowed_methods,
    reason = "cargo hands a build script its folders this way"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=souk");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(FILES)?;
    // Encoded by protox itself: its bytes keep the method options, which
    // prost's own descriptor types drop.
    fs::write(
        out.join("souk.binpb"),
        compiler.encode_file_descriptor_set(),
    )?;

    let descriptors = prost_types_set(&compiler)?;
    tonic_prost_build::configure()
        .build_server(true)
        .build_client(true)
        // These carry passwords, tokens or personal data; `src/redact.rs`
        // writes their `Debug`.
        .skip_debug(REDACTED)
        .compile_fds(descriptors)?;
    Ok(())
}

/// Messages whose `Debug` must not show what they hold.
const REDACTED: &[&str] = &[
    ".souk.type.v1.Address",
    ".souk.event.v1.AccountRegistered",
    ".souk.event.v1.PaymentRequested",
    ".souk.identity.v1.Account",
    ".souk.identity.v1.Tokens",
    ".souk.identity.v1.RegisterRequest",
    ".souk.identity.v1.LogInRequest",
    ".souk.identity.v1.RefreshTokensRequest",
    ".souk.order.v1.PlaceOrderRequest",
];

fn prost_types_set(
    compiler: &protox::Compiler,
) -> Result<prost_types::FileDescriptorSet, Box<dyn Error>> {
    Ok(prost_types::FileDescriptorSet::decode(
        compiler.encode_file_descriptor_set().as_slice(),
    )?)
}
