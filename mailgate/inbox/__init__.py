"""The development inbox: takes any mail by SMTP, keeps the last ones, and shows them in a browser. Extra `inbox`."""
