//! Links the unwinder of gcc into the program, where gcc has it as a static library.
//!
//! The standard library asks the linker for `-lgcc_s`. To load that library, map it and search it for
//! every symbol takes the dynamic linker about a twentieth of the time that `git rev-parse` takes in
//! all, for a program that unwinds only when it has a bug. A linker script of that name, found before
//! the library, names the static one. Without it nothing changes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |key: &str| env::var(key).unwrap_or_default();
    let here = target("TARGET") == target("HOST");
    if !here || target("CARGO_CFG_TARGET_OS") != "linux" || target("CARGO_CFG_TARGET_ENV") != "gnu"
    {
        return;
    }
    let Some(out) = env::var_os("OUT_DIR").filter(|_| has_static_unwinder()) else { return };
    let script = Path::new(&out).join("libgcc_s.so");
    if fs::write(script, "INPUT(-lgcc_eh -lgcc -lc)\n").is_ok() {
        println!("cargo::rustc-link-search=native={}", Path::new(&out).display());
    }
}

/// Whether `cc`, which rustc links with, knows where the library is: else it repeats the bare name.
fn has_static_unwinder() -> bool {
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    asked.is_ok_and(|said| {
        let path = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim_end());
        said.status.success() && path.is_absolute() && path.is_file()
    })
}
