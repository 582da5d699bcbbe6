"""Faster R-CNN and Mask R-CNN as one network, from pixels to packed detections of a batch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .boxes import decode, grid_anchors, grouped_nms, ranks
from .rois import RoIFeatures


class Proposals(nn.Module):
    """mmdet's RPNHead with its NMS.

    Args:
        head: the one whose weights and settings are taken.
    """

    def __init__(self, head: Any):
        super().__init__()
        self.head, self.settings = head, head.test_cfg
        for level, anchors in enumerate(head.prior_generator.base_anchors):
            self.register_buffer(f'anchors{level}', anchors, persistent=False)

    def forward(self, maps: Sequence[Tensor], shape: Tensor) -> tuple[Tensor, Tensor]:
        """(boxes (B, P, 4), whether there is one (B, P)), P being the most that an image has.

        Args:
            maps: the pyramid's, (B, C, h, w) each.
            shape: (2,) height and width of the images within the padding.
        """
        boxes, scores, levels = [], [], []
        for level, (logits, deltas) in enumerate(zip(*self.head(maps), strict=True)):
            strides = self.head.prior_generator.strides[level]
            base = getattr(self, f'anchors{level}')
            anchors = grid_anchors(base, strides, logits.shape[2], logits.shape[3])
            batch = logits.shape[0]
            deltas = deltas.permute(0, 2, 3, 1).reshape(batch, -1, 4)
            score = self._scores(logits.permute(0, 2, 3, 1).reshape(batch, anchors.shape[0], -1))
            if self.settings.nms_pre > 0:
                kept = torch.sym_min(self.settings.nms_pre, anchors.shape[0])
                score, index = score.topk(kept)
                deltas = deltas.gather(1, index[..., None].expand(-1, -1, 4))
                anchors = anchors[index]
            boxes.append(decode(self.head.bbox_coder, anchors, deltas, shape))
            scores.append(score)
            levels.append(torch.full_like(score[0], level))
        return self._best(torch.cat(boxes, 1), torch.cat(scores, 1), torch.cat(levels))

    def _scores(self, logits: Tensor) -> Tensor:
        """(B, N) scores of the logits (B, N, 1), or (B, N, 2) with a background."""
        if self.head.use_sigmoid_cls:
            return logits[..., 0].sigmoid()
        return logits.softmax(-1)[..., 0]

    def _best(self, boxes: Tensor, scores: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        least = self.settings.get('min_bbox_size', -1)
        if least >= 0:
            large = (boxes[..., 2:] - boxes[..., :2] > least).all(dim=-1)
            scores = torch.where(large, scores, torch.full_like(scores, -1))
        most = self.settings.max_per_img
        kept = grouped_nms(boxes, scores, levels, self.settings.nms.iou_threshold, -0.5, most)
        image, index = kept.unbind(1)
        batch = torch.arange(boxes.shape[0], device=boxes.device)
        rank, counts = ranks(image, batch)
        packed = boxes.new_zeros(boxes.shape[0], most, 4)
        packed = packed.index_put((image, rank), boxes[image, index])
        places = torch.arange(most, device=boxes.device)
        return packed, places < counts[:, None]


class TwoStageDetector(nn.Module):
    """mmdet's detector without its loops over images.

    Args:
        detector: FasterRCNN or MaskRCNN in evaluation mode; see `refusal` for what it may have.
    """

    def __init__(self, detector: Any):
        super().__init__()
        self.detector = detector
        self.proposals = Proposals(detector.rpn_head)
        heads = detector.roi_head
        self.settings = heads.test_cfg
        self.box_head, self.box_features = heads.bbox_head, RoIFeatures(heads.bbox_roi_extractor)
        self.mask_head: Any = heads.mask_head if heads.with_mask else None
        if heads.with_mask:
            self.mask_features = RoIFeatures(heads.mask_roi_extractor)

    def forward(self, x: Tensor, shape: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        """Boxes (D, 4), labels (D,), scores (D,), probabilities of masks (D, h, w), counts (B,).

        The detections of the images follow each other, each image's by falling score. Without a
        mask head there are no probabilities.

        Args:
            x: (B, 3, H, W) normalised and padded images.
            shape: (2,) int64, height and width of the images within the padding.
            size: (2,) int64, height and width to which the boxes are scaled.
        """
        maps = self.detector.extract_feat(x)
        proposals, present = self.proposals(maps, shape)
        batch = torch.arange(x.shape[0], device=x.device)
        rois = _with_image(batch[:, None].expand(present.shape).reshape(-1), proposals)
        boxes, scores = self._classify(maps, rois, proposals, present, shape)
        # As float32, which mmdet divides by: the last bit of a box decides in NMS.
        scale = (shape.to(torch.float64) / size.to(torch.float64)).flip(0).repeat(2)
        if self.mask_head is None:
            boxes = boxes * (1 / scale).to(boxes.dtype)
        classes, settings = scores.shape[2], self.settings
        flat_boxes, flat_scores = boxes.flatten(1, 2), scores.flatten(1)
        labels = torch.arange(classes, device=x.device).repeat(scores.shape[1])
        iou_thr = settings.nms.iou_threshold
        kept = grouped_nms(
            flat_boxes, flat_scores, labels, iou_thr, settings.score_thr, settings.max_per_img
        )
        image, index = kept.unbind(1)
        counts = ranks(image, batch)[1]
        boxes, scores, labels = flat_boxes[image, index], flat_scores[image, index], labels[index]
        if self.mask_head is None:
            return boxes, labels, scores, counts
        masks = self._masks(maps, _with_image(image, boxes), labels)
        return boxes / scale.to(boxes.dtype), labels, scores, masks, counts

    def _classify(
        self, maps: Sequence[Tensor], rois: Tensor, boxes: Tensor, present: Tensor, shape: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(boxes (B, P, K, 4), scores (B, P, K)) of K classes for each proposal."""
        logits, deltas = self.box_head(self.box_features(maps, rois))
        batch, count, classes = *present.shape, self.box_head.num_classes
        scores = logits.softmax(-1)[:, :classes].reshape(batch, count, classes)
        scores = scores * present[..., None].to(scores.dtype)
        deltas = deltas.reshape(batch, count, -1, 4)
        moved = decode(self.box_head.bbox_coder, boxes[:, :, None], deltas, shape)
        return moved.expand(-1, -1, classes, -1), scores

    def _masks(self, maps: Sequence[Tensor], rois: Tensor, labels: Tensor) -> Tensor:
        """(D, h, w) probabilities, each of its own class."""
        every = self.mask_head(self.mask_features(maps, rois)).sigmoid()
        chosen = torch.zeros_like(labels) if self.mask_head.class_agnostic else labels
        index = chosen[:, None, None, None].expand(-1, 1, *every.shape[2:])
        return every.gather(1, index)[:, 0]


def _with_image(image: Tensor, boxes: Tensor) -> Tensor:
    """RoIs (R, 5) from the numbers (R,) of their images and boxes (..., 4)."""
    boxes = boxes.reshape(-1, 4)
    return torch.cat([image[:, None].to(boxes.dtype), boxes], dim=1)
