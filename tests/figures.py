"""A figure's module asked for what it makes of tables with some options."""


def data_of(module, tables, **options):
    return module.Drawing(**options).data(tables)


def drawn_of(module, tables, **options):
    drawing = module.Drawing(**options)
    return drawing.draw(drawing.data(tables), tables)


def caption_of(module, tables, **options):
    drawing = module.Drawing(**options)
    return drawing.caption(drawing.data(tables), tables)


def curves_of(module, runs, **options):
    return module.Drawing(**options).curves(runs)
