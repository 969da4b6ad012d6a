"""What LACONIC and its dense twin share: parameters, making, adapters, selection of terms."""
