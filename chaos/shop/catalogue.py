"""What the shop sells."""

PRODUCTS: dict[str, dict[str, object]] = {
    f"sku-{number:02d}": {
        "sku": f"sku-{number:02d}",
        "title": title,
        "price": price,
        "text": f"{title}, made by hand in small numbers, sent within two days, and taken back within thirty.",
    }
    for number, (title, price) in enumerate(
        [
            ("Enamel mug", 1400),
            ("Linen apron", 3900),
            ("Oak chopping board", 4500),
            ("Bread knife", 5200),
            ("Cast-iron pan", 7900),
            ("Tea towel", 1100),
            ("Storage jar", 900),
            ("Pepper mill", 3300),
            ("Salad bowl", 4100),
            ("Cork trivet", 800),
            ("Butter dish", 2300),
            ("Rolling pin", 1900),
        ],
        start=1,
    )
}
